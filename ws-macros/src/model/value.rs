//! Durations and sizes.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit};

const TIME_UNITS: [(&str, u64); 4] =
    [("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000)];

const SIZE_UNITS: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// A `Duration`, as an expression that is constant.
pub(crate) fn duration(value: &Expr) -> syn::Result<TokenStream> {
    let Some((digits, suffix, span)) = number(value) else {
        return constant(
            value,
            "a duration as `250ms`, `1.5s`, `2m` or `1h`, or a `const` of type `Duration`",
        );
    };
    let nanos = scaled(&digits, &suffix, &TIME_UNITS, span, "duration", "1s")?;
    if nanos == 0 {
        return Err(syn::Error::new(span, "a duration of zero\nhelp: write how long, as `1s`"));
    }
    Ok(quote_spanned!(span=> ::ws_core::private::nanos(#nanos)))
}

/// A number of bytes, as an expression of type `usize`.
pub(crate) fn size(value: &Expr) -> syn::Result<TokenStream> {
    let Some((digits, suffix, span)) = number(value) else {
        return constant(value, "a size as `64KiB` or `1MiB`, or a `const` of type `usize`");
    };
    let bytes = if suffix.is_empty() {
        scaled(&digits, "B", &SIZE_UNITS, span, "size", "64KiB")?
    } else {
        scaled(&digits, &suffix, &SIZE_UNITS, span, "size", "64KiB")?
    };
    if bytes == 0 {
        return Err(syn::Error::new(span, "a size of zero\nhelp: write how many bytes, as `64KiB`"));
    }
    let bytes = usize::try_from(bytes).map_err(|_| too_large(span))?;
    Ok(quote_spanned!(span=> #bytes))
}

/// A literal: its digits and its unit.
fn number(value: &Expr) -> Option<(String, String, Span)> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(lit), .. }) => {
            Some((lit.base10_digits().to_owned(), lit.suffix().to_owned(), lit.span()))
        }
        Expr::Lit(ExprLit { lit: Lit::Float(lit), .. }) => {
            Some((lit.base10_digits().to_owned(), lit.suffix().to_owned(), lit.span()))
        }
        _ => None,
    }
}

/// A path to a constant, or a call of a `const fn`.
fn constant(value: &Expr, expected: &str) -> syn::Result<TokenStream> {
    match value {
        Expr::Lit(_) | Expr::Unary(_) => {
            Err(syn::Error::new(value.span(), format!("not what is expected here\nhelp: write {expected}")))
        }
        _ => Ok(quote_spanned!(value.span()=> #value)),
    }
}

/// Digits times the unit, exactly: `1.5s` is 1,500,000,000 ns.
fn scaled(
    digits: &str,
    suffix: &str,
    units: &[(&str, u64)],
    span: Span,
    what: &str,
    example: &str,
) -> syn::Result<u64> {
    let names = units.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let Some((_, unit)) = units.iter().find(|(name, _)| *name == suffix) else {
        let text = if suffix.is_empty() {
            format!("a {what} without a unit\nhelp: write `{digits}` with one of {names}, as `{example}`")
        } else {
            format!("unknown unit `{suffix}`\nhelp: a {what} has one of {names}, as `{example}`")
        };
        return Err(syn::Error::new(span, text));
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let parse = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<u64>().ok() };
    let scale = u32::try_from(fraction.len()).ok().and_then(|places| 10_u64.checked_pow(places));
    (|| {
        let whole = parse(whole)?.checked_mul(*unit)?;
        let fraction = u128::from(parse(fraction)?) * u128::from(*unit) / u128::from(scale?);
        whole.checked_add(u64::try_from(fraction).ok()?)
    })()
    .ok_or_else(|| too_large(span))
}

fn too_large(span: Span) -> syn::Error {
    syn::Error::new(span, "this number is too large")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(parse: fn(&Expr) -> syn::Result<TokenStream>, input: &str, expect: &str) {
        let value = syn::parse_str(input).unwrap();
        let got = match parse(&value) {
            Ok(tokens) => tokens.to_string(),
            Err(error) => format!("error: {}", error.to_string().lines().next().unwrap_or_default()),
        };
        assert!(got.contains(expect), "{input}: {got}");
    }

    #[test]
    fn durations() {
        check(duration, "250ms", "(250000000u64)");
        check(duration, "1.5s", "(1500000000u64)");
        check(duration, "2m", "(120000000000u64)");
        check(duration, "1h", "(3600000000000u64)");
        check(duration, "HEARTBEAT", "HEARTBEAT");
        check(duration, "0s", "error: a duration of zero");
        check(duration, "5", "error: a duration without a unit");
        check(duration, "5sec", "error: unknown unit `sec`");
        check(duration, "99999999999h", "error: this number is too large");
        check(duration, "\"1s\"", "error: not what is expected here");
    }

    #[test]
    fn sizes() {
        check(size, "64KiB", "65536usize");
        check(size, "1MiB", "1048576usize");
        check(size, "1000", "1000usize");
        check(size, "64KB", "error: unknown unit `KB`");
        check(size, "LIMIT", "LIMIT");
    }
}
