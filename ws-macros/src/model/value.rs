//! Durations and sizes.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit, MetaList};

use crate::parse::apart;

/// What is measured: its word, its units with other names that people know them by, and examples.
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
    expected: "a duration as `250ms`, `1.5s`, `2m` or `1h`, or a `const` of type `Duration`",
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
    most: "15GiB",
    expected: "a size as `64KiB` or `1MiB`, or a `const` of type `usize`",
};

/// A `Duration`, as an expression that is constant.
pub(super) fn duration(value: &Expr) -> syn::Result<TokenStream> {
    let Some(number) = Number::of(value) else { return constant(value, &TIME) };
    let nanos = number.scaled(&TIME)?;
    Ok(quote_spanned!(number.span=> __ws::nanos(#nanos)))
}

/// A number of bytes, as an expression of type `usize`.
pub(super) fn size(value: &Expr) -> syn::Result<TokenStream> {
    let Some(number) = Number::of_bytes(value) else { return constant(value, &SIZE) };
    let bytes = number.scaled(&SIZE)?;
    let bytes = usize::try_from(bytes).map_err(|_| number.too_much(&SIZE))?;
    Ok(quote_spanned!(number.span=> #bytes))
}

/// The number of bytes of a literal that is right.
pub(super) fn bytes(value: &Expr) -> Option<u64> {
    Number::of_bytes(value)?.scaled(&SIZE).ok()
}

/// The duration of `#[every(…)]` and `#[after(…)]`.
pub(super) fn delay(list: &MetaList, name: &str) -> syn::Result<TokenStream> {
    if let Ok(value) = syn::parse2::<Expr>(list.tokens.clone()) {
        return duration(&value);
    }
    let text = match apart(list.tokens.clone()) {
        Some(text) => text,
        None if list.tokens.is_empty() => {
            format!("`#[{name}]` without a duration\nhelp: write `#[{name}(1s)]`")
        }
        None => format!("`#[{name}]` takes one duration\nhelp: write {}", TIME.expected),
    };
    Err(if list.tokens.is_empty() {
        syn::Error::new_spanned(list, text)
    } else {
        syn::Error::new_spanned(&list.tokens, text)
    })
}

/// A path to a constant, or a call of a `const fn`.
fn constant(value: &Expr, quantity: &Quantity) -> syn::Result<TokenStream> {
    let (name, expected) = (quantity.name, quantity.expected);
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if syn::parse_str::<Lit>(&text.value()).is_ok() => {
            let unquoted = text.value();
            Err(syn::Error::new(text.span(), format!("a {name} has no quotes\nhelp: write `{unquoted}`")))
        }
        Expr::Unary(unary) => {
            let text = format!("a {name} cannot be negative\nhelp: write {expected}");
            Err(syn::Error::new_spanned(unary, text))
        }
        Expr::Lit(_) => Err(syn::Error::new(value.span(), format!("not a {name}\nhelp: write {expected}"))),
        _ => Ok(quote_spanned!(value.span()=> #value)),
    }
}

/// A literal.
struct Number {
    digits: String,
    suffix: String,
    span: Span,
}

impl Number {
    fn of(value: &Expr) -> Option<Self> {
        let Expr::Lit(ExprLit { lit, .. }) = value else { return None };
        let (digits, suffix) = match lit {
            Lit::Int(lit) => (lit.base10_digits(), lit.suffix()),
            Lit::Float(lit) => (lit.base10_digits(), lit.suffix()),
            _ => return None,
        };
        Some(Self { digits: digits.to_owned(), suffix: suffix.to_owned(), span: lit.span() })
    }

    /// One whose unit may be left out.
    fn of_bytes(value: &Expr) -> Option<Self> {
        let mut number = Self::of(value)?;
        if number.suffix.is_empty() {
            "B".clone_into(&mut number.suffix);
        }
        Some(number)
    }

    /// Digits times the unit, exactly: `1.5s` is 1,500,000,000 ns. Never zero.
    fn scaled(&self, quantity: &Quantity) -> syn::Result<u64> {
        let unit = self.unit(quantity)?;
        let (whole, fraction) = self.digits.split_once('.').unwrap_or((&self.digits, ""));
        if !self.digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(self.error("a number with an exponent", &format!("write {}", quantity.expected)));
        }
        let parse = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<u64>().ok() };
        let scale = u32::try_from(fraction.len()).ok().and_then(|places| 10_u64.checked_pow(places));
        let scaled = (|| {
            let whole = parse(whole)?.checked_mul(unit)?;
            let fraction = u128::from(parse(fraction)?) * u128::from(unit) / u128::from(scale?);
            whole.checked_add(u64::try_from(fraction).ok()?)
        })();
        match scaled {
            None => Err(self.too_much(quantity)),
            Some(0) => Err(self.error(
                &format!("a {} of zero", quantity.name),
                &format!("write how much, as `{}`", quantity.example),
            )),
            Some(scaled) => Ok(scaled),
        }
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
            let help = format!("write `{digits}` with one of {names}, as `{digits}s`");
            return Err(self.error(&format!("a {name} without a unit"), &help));
        }
        if suffix.contains(|c: char| c.is_ascii_digit()) {
            let help = format!("write one number with one of {names}, as `90s` for `1m30s`");
            return Err(self.error(&format!("a {name} with more than one unit"), &help));
        }
        let meant = quantity.units.iter().find(|(_, _, others)| others.contains(&suffix.as_str()));
        let help = match meant {
            Some((unit, ..)) => format!("write `{digits}{unit}`"),
            None => format!("a {name} has one of {names}, as `{example}`"),
        };
        Err(self.error(&format!("unknown unit `{suffix}`"), &help))
    }

    fn too_much(&self, quantity: &Quantity) -> syn::Error {
        let what = format!("this {} is too large", quantity.name);
        self.error(&what, &format!("it may be up to `{}`", quantity.most))
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
        check(size, "64KiB", "65536usize");
        check(size, "1MiB", "1048576usize");
        check(size, "1000", "1000usize");
        check(size, "64KB", "help: write `64KiB`");
        check(size, "LIMIT", "LIMIT");
    }
}
