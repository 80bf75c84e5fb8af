//! Validation of durations and sizes.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit, Meta};

/// A physical quantity: its name, its units with their other common names, and examples.
struct Quantity {
    name: &'static str,
    units: &'static [(&'static str, u64, &'static [&'static str])],
    example: &'static str,
    most: &'static str,
    expected: &'static str,
}

const TIME: Quantity = Quantity {
    name: "duration",
    units: &[
        ("ms", 1_000_000, &["msec", "msecs", "millis", "milliseconds", "MS"]),
        ("s", 1_000_000_000, &["sec", "secs", "second", "seconds", "S"]),
        ("m", 60_000_000_000, &["min", "mins", "minute", "minutes", "M"]),
        ("h", 3_600_000_000_000, &["hr", "hrs", "hour", "hours", "H"]),
    ],
    example: "1s",
    most: "5124095h",
    expected: "a duration (`250ms`, `1.5s`, `2m`, `1h`), or a `const` of type `Duration`",
};

const SIZE: Quantity = Quantity {
    name: "size",
    units: &[
        ("B", 1, &["b", "bytes"]),
        ("KiB", 1 << 10, &["KB", "kB", "kb", "K", "k", "kib", "KIB"]),
        ("MiB", 1 << 20, &["MB", "mB", "mb", "M", "m", "mib", "MIB"]),
        ("GiB", 1 << 30, &["GB", "gB", "gb", "G", "g", "gib", "GIB"]),
    ],
    example: "64KiB",
    most: "17179869183GiB",
    expected: "a size (`64KiB`, `1MiB`), or a `const` of type `usize`",
};

/// Returns a `Duration` above zero as a constant expression.
pub(super) fn duration(value: &Expr) -> syn::Result<TokenStream> {
    let Some(number) = Number::of(value) else { return constant(value, &TIME) };
    let nanos = number.scaled(&TIME)?;
    if nanos == 0 {
        return Err(number.zero(&TIME));
    }
    Ok(quote_spanned!(number.span=> __ws::nanos(#nanos)))
}

/// Like [`duration`], but zero is allowed and means no waiting.
pub(super) fn duration_or_zero(value: &Expr) -> syn::Result<TokenStream> {
    match Number::of(value).map(|number| (number.scaled(&TIME), number.span)) {
        Some((Ok(0), span)) => Ok(quote_spanned!(span=> __ws::nanos(0))),
        _ => duration(value),
    }
}

/// Returns a number of bytes above zero as an expression of type `usize`.
pub(super) fn size(value: &Expr) -> syn::Result<TokenStream> {
    let Some(number) = Number::of_bytes(value) else { return constant(value, &SIZE) };
    let bytes = number.scaled(&SIZE)?;
    if bytes == 0 {
        return Err(number.zero(&SIZE));
    }
    Ok(quote_spanned!(number.span=> __ws::bytes(#bytes)))
}

/// Like [`size`], but zero is allowed.
pub(super) fn size_or_zero(value: &Expr) -> syn::Result<TokenStream> {
    match Number::of_bytes(value).map(|number| (number.scaled(&SIZE), number.span)) {
        Some((Ok(0), span)) => Ok(quote_spanned!(span=> __ws::bytes(0))),
        _ => size(value),
    }
}

/// Returns the number of bytes of a valid literal.
pub(super) fn bytes(value: &Expr) -> Option<u64> {
    Number::of_bytes(value)?.scaled(&SIZE).ok()
}

/// Returns the duration of `#[every(…)]` and `#[after(…)]`.
pub(super) fn delay(meta: &Meta, name: &str) -> syn::Result<TokenStream> {
    let without = format!("`#[{name}]` without a duration\nhelp: write `#[{name}(1s)]`");
    match meta {
        Meta::Path(path) => Err(syn::Error::new_spanned(path, without)),
        Meta::NameValue(set) => {
            let text =
                format!("the duration of `#[{name}]` goes in parentheses\nhelp: write `#[{name}(1s)]`");
            Err(syn::Error::new_spanned(&set.value, text))
        }
        Meta::List(list) if list.tokens.is_empty() => Err(syn::Error::new_spanned(list, without)),
        Meta::List(list) => match syn::parse2::<Expr>(list.tokens.clone()) {
            Ok(value) => duration(&value),
            Err(_) => {
                let one = || format!("`#[{name}]` takes one duration\nhelp: write {}", TIME.expected);
                let text = spaced_duration_hint(&list.tokens).unwrap_or_else(one);
                Err(syn::Error::new_spanned(&list.tokens, text))
            }
        },
    }
}

/// Returns the error text for a duration with a space before its unit, such as `1 s`.
pub(super) fn spaced_duration_hint(tokens: &TokenStream) -> Option<String> {
    spaced_unit_hint(tokens, &TIME)
}

/// Returns the error text for a size with a space before its unit, such as `64 KiB`.
pub(super) fn spaced_size_hint(tokens: &TokenStream) -> Option<String> {
    spaced_unit_hint(tokens, &SIZE)
}

fn spaced_unit_hint(tokens: &TokenStream, quantity: &Quantity) -> Option<String> {
    let mut tokens = tokens.clone().into_iter();
    let (number, unit) = match (tokens.next(), tokens.next(), tokens.next()) {
        (Some(TokenTree::Literal(number)), Some(TokenTree::Ident(unit)), None) => (number, unit.to_string()),
        _ => return None,
    };
    let is = |(name, _, others): &&(&str, u64, &[&str])| *name == unit || others.contains(&unit.as_str());
    let (unit, ..) = quantity.units.iter().find(is)?;
    Some(format!("a space between a number and its unit\nhelp: write `{number}{unit}`"))
}

/// Accepts a constant or a call of a `const fn`, which the compiler evaluates.
fn constant(value: &Expr, quantity: &Quantity) -> syn::Result<TokenStream> {
    let Quantity { name, expected, .. } = quantity;
    let text = match ungroup_expr(value) {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if syn::parse_str::<Lit>(&text.value()).is_ok() => {
            format!("a {name} is written without quotes\nhelp: write `{}`", text.value())
        }
        Expr::Unary(_) => format!("a {name} cannot be negative\nhelp: write {expected}"),
        other if mentions_self(other) => {
            format!(
                "a {name} that the compiler does not know\nhelp: write {expected}; or start the timer with `cx.send_every`"
            )
        }
        Expr::Path(_)
        | Expr::Call(_)
        | Expr::MethodCall(_)
        | Expr::Macro(_)
        | Expr::Block(_)
        | Expr::Const(_)
        | Expr::Binary(_)
            if !has_unit(value.to_token_stream(), quantity) =>
        {
            return Ok(quote_spanned!(value.span()=> #value));
        }
        _ => format!("not a {name}\nhelp: write {expected}"),
    };
    Err(syn::Error::new_spanned(value, text))
}

/// Returns the expression inside of parentheses and of invisible groups from `macro_rules!`.
pub(super) fn ungroup_expr(value: &Expr) -> &Expr {
    match value {
        Expr::Group(group) => ungroup_expr(&group.expr),
        Expr::Paren(paren) => ungroup_expr(&paren.expr),
        other => other,
    }
}

/// Returns a single word such as `close`.
pub(super) fn keyword(value: &Expr) -> Option<String> {
    let Expr::Path(path) = ungroup_expr(value) else { return None };
    path.path.get_ident().map(ToString::to_string)
}

fn mentions_self(value: &Expr) -> bool {
    value.to_token_stream().into_iter().next().is_some_and(|token| token.to_string() == "self")
}

/// Returns whether a literal with a unit is part of the expression, for example `2 * 1s`.
fn has_unit(tokens: TokenStream, quantity: &Quantity) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => has_unit(group.stream(), quantity),
        TokenTree::Literal(literal) => match Lit::new(literal) {
            Lit::Int(lit) => quantity.units.iter().any(|(unit, ..)| lit.suffix() == *unit),
            Lit::Float(lit) => quantity.units.iter().any(|(unit, ..)| lit.suffix() == *unit),
            _ => false,
        },
        _ => false,
    })
}

/// A numeric literal with its unit.
struct Number {
    digits: String,
    suffix: String,
    span: Span,
}

impl Number {
    fn of(value: &Expr) -> Option<Self> {
        let Expr::Lit(ExprLit { lit, .. }) = ungroup_expr(value) else { return None };
        let (digits, suffix) = match lit {
            Lit::Int(lit) => (lit.base10_digits(), lit.suffix()),
            Lit::Float(lit) => (lit.base10_digits(), lit.suffix()),
            _ => return None,
        };
        Some(Self { digits: digits.to_owned(), suffix: suffix.to_owned(), span: lit.span() })
    }

    /// Parses a literal whose unit may be omitted.
    fn of_bytes(value: &Expr) -> Option<Self> {
        let mut number = Self::of(value)?;
        if number.suffix.is_empty() {
            "B".clone_into(&mut number.suffix);
        }
        Some(number)
    }

    /// Returns the exact product of digits and unit: `1.5s` is 1,500,000,000 ns.
    fn scaled(&self, quantity: &Quantity) -> syn::Result<u64> {
        let unit = self.unit(quantity)?;
        let (integer_part, fraction) = self.digits.split_once('.').unwrap_or((&self.digits, ""));
        if !self.digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(self.error("a number with an exponent", &format!("write {}", quantity.expected)));
        }
        let parse = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<u64>().ok() };
        let scale = u32::try_from(fraction.len()).ok().and_then(|places| 10_u64.checked_pow(places));
        let scaled = (|| {
            let integer_part = parse(integer_part)?.checked_mul(unit)?;
            let fraction = u128::from(parse(fraction)?) * u128::from(unit) / u128::from(scale?);
            integer_part.checked_add(u64::try_from(fraction).ok()?)
        })();
        let too_much = || {
            let what = format!("this {} is too large", quantity.name);
            self.error(&what, &format!("the maximum is `{}`", quantity.most))
        };
        scaled.ok_or_else(too_much)
    }

    fn unit(&self, quantity: &Quantity) -> syn::Result<u64> {
        let Self { digits, suffix, .. } = self;
        if let Some((_, scale, _)) = quantity.units.iter().find(|(name, ..)| name == suffix) {
            return Ok(*scale);
        }
        let names =
            quantity.units.iter().map(|(name, ..)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let Quantity { name, example, .. } = quantity;
        if suffix.is_empty() {
            let digits =
                if digits.bytes().any(|byte| byte.is_ascii_digit() && byte != b'0') { digits } else { "60" };
            let help = format!("write `{digits}` with one of {names}, for example `{digits}s`");
            return Err(self.error(&format!("a {name} without a unit"), &help));
        }
        if suffix.contains(|c: char| c.is_ascii_digit()) {
            let help = format!("write one number with one of {names}, for example `90s` for `1m30s`");
            return Err(self.error(&format!("a {name} with more than one unit"), &help));
        }
        let meant = quantity.units.iter().find(|(_, _, others)| others.contains(&suffix.as_str()));
        let help = match meant {
            Some((unit, ..)) => format!("write `{digits}{unit}`"),
            None => format!("a {name} has one of {names}, for example `{example}`"),
        };
        Err(self.error(&format!("unknown unit `{suffix}`"), &help))
    }

    fn zero(&self, quantity: &Quantity) -> syn::Error {
        self.error(
            &format!("a {} of zero", quantity.name),
            &format!("write a value above zero, for example `{}`", quantity.example),
        )
    }

    fn error(&self, what: &str, help: &str) -> syn::Error {
        syn::Error::new(self.span, format!("{what}\nhelp: {help}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(parse: fn(&Expr) -> syn::Result<TokenStream>, input: &str, expect: &str) {
        let value = syn::parse_str(input).unwrap();
        let got = match parse(&value) {
            Ok(tokens) => tokens.to_string(),
            Err(error) => format!("error: {error}"),
        };
        assert!(got.contains(expect), "{input}: {got}");
    }

    #[test]
    fn durations() {
        check(duration, "250ms", "(250000000u64)");
        check(duration, "1.5s", "(1500000000u64)");
        check(duration, "2m", "(120000000000u64)");
        check(duration, "1h", "(3600000000000u64)");
        check(duration, "5124095h", "(18446742000000000000u64)");
        check(duration, "HEARTBEAT", "HEARTBEAT");
        check(duration, "Duration::from_secs(5)", "Duration");
        check(duration, "(2m)", "(120000000000u64)");
        check(duration_or_zero, "0s", "(0)");
        check(duration, "Some(5s)", "error: not a duration");
        check(duration, "1s..2s", "error: not a duration");
        check(duration, "self.period", "error: a duration that the compiler does not know");
        check(duration, "0", "write `60` with");
        check(duration, "0s", "error: a duration of zero");
        check(duration, "0.0000000001s", "error: a duration of zero");
        check(duration, "5", "error: a duration without a unit");
        check(duration, "5sec", "help: write `5s`");
        check(duration, "5weeks", "help: a duration has one of `ms`, `s`, `m`, `h`");
        check(duration, "1m30s", "error: a duration with more than one unit");
        check(duration, "1e3s", "error: a number with an exponent");
        check(duration, "5124096h", "error: this duration is too large");
        check(duration, "\"1s\"", "help: write `1s`");
        check(duration, "\"soon\"", "error: not a duration");
        check(duration, "-1s", "error: a duration cannot be negative");
    }

    #[test]
    fn sizes() {
        check(size, "64KiB", "bytes (65536u64)");
        check(size, "(1MiB)", "bytes (1048576u64)");
        check(size, "1000", "bytes (1000u64)");
        check(size, "64 * 1024", "64 * 1024");
        check(size, "2 * 1KiB", "error: not a size");
        check(size, "64KB", "help: write `64KiB`");
        check(size, "LIMIT", "LIMIT");
        check(size, "0", "error: a size of zero");
        check(size_or_zero, "0", "bytes (0)");
        check(size_or_zero, "1KiB", "bytes (1024u64)");
    }
}
