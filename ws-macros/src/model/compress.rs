//! Validation of the parameters of `compress`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit};

use super::parameters::Parameters;
use super::value::{self, ungroup_expr};
use crate::errors::Errors;
use crate::parse::{Opt, OptValue};

const PARAMETERS: [&str; 7] = [
    "level",
    "mem_level",
    "server_max_window_bits",
    "client_max_window_bits",
    "server_no_context_takeover",
    "client_no_context_takeover",
    "min_size",
];

/// Names of the parameters in Cowboy, zlib and other frameworks.
const OTHER_NAMES: [(&str, &[&str]); 7] = [
    ("level", &["compression_level", "quality"]),
    ("mem_level", &["memory_level", "memory"]),
    (
        "server_max_window_bits",
        &["server_max_window", "server_window_bits", "window_bits", "max_window_bits"],
    ),
    ("client_max_window_bits", &["client_max_window", "client_window_bits"]),
    ("server_no_context_takeover", &["no_context_takeover", "server_takeover", "no_takeover"]),
    ("client_no_context_takeover", &["client_takeover"]),
    ("min_size", &["threshold", "compression_threshold", "min_length", "min"]),
];

/// Returns the value of `Options::compress`.
pub(super) fn validate_compress(value: Option<&OptValue>, errors: &mut Errors) -> Option<TokenStream> {
    let parameters = Parameters {
        option: "compress",
        default: quote!(__ws::Compress::DEFAULT),
        names: &PARAMETERS,
        other_names: &OTHER_NAMES,
        usage_hint,
        value: parameter_value,
    };
    parameters.validate(value, errors)
}

/// Returns the value of a known parameter.
fn parameter_value(parameter: &Opt) -> syn::Result<TokenStream> {
    let name = parameter.name.to_string();
    let span = parameter.name.span();
    let is_flag = name.ends_with("takeover");
    let not = |span| {
        let text = format!("not a value of `{name}`\nhelp: write {}", usage_hint(&name));
        syn::Error::new(span, text)
    };
    match &parameter.value {
        None if is_flag => Ok(quote!(true)),
        None => {
            Err(syn::Error::new(span, format!("`{name}` has no value\nhelp: write {}", usage_hint(&name))))
        }
        Some(OptValue::Expr(value)) if is_flag => match ungroup_expr(value) {
            Expr::Lit(ExprLit { lit: Lit::Bool(on), .. }) => Ok(quote!(#on)),
            Expr::Path(_) => Ok(quote!(#value)),
            _ => Err(not(value.span())),
        },
        Some(OptValue::Expr(value)) if name == "min_size" => value::size_or_zero(value),
        Some(OptValue::Expr(value)) => {
            number(&name, value).map_err(|why| why.unwrap_or_else(|| not(value.span())))
        }
        Some(OptValue::Tokens(tokens)) => {
            let text = value::spaced_size_hint(tokens).filter(|_| name == "min_size");
            Err(syn::Error::new_spanned(tokens, text.unwrap_or_else(|| not(span).to_string())))
        }
        Some(OptValue::List(_, span) | OptValue::Nested(_, span) | OptValue::None(span)) => Err(not(*span)),
    }
}

/// Returns a number within the range of its parameter, or a constant, which the compiler checks.
fn number(name: &str, value: &Expr) -> Result<TokenStream, Option<syn::Error>> {
    let (least, most) = match name {
        "level" => (0, 9),
        "mem_level" => (1, 9),
        _ => (9, 15),
    };
    match ungroup_expr(value) {
        Expr::Lit(ExprLit { lit: Lit::Int(lit), .. }) if lit.suffix().is_empty() => {
            match lit.base10_parse::<u8>() {
                Ok(number) if (least..=most).contains(&number) => Ok(quote!(#lit)),
                _ => {
                    // RFC 7692 allows 8 bits, but zlib cannot write such a stream.
                    let why = if name.ends_with("bits") { ": a window has 512 bytes to 32 KiB" } else { "" };
                    let text =
                        format!("`{name}` is {least} to {most}{why}\nhelp: write {}", usage_hint(name));
                    Err(Some(syn::Error::new(lit.span(), text)))
                }
            }
        }
        Expr::Lit(_) | Expr::Unary(_) => Err(None),
        constant => Ok(quote!(#constant)),
    }
}

/// Returns an example of a parameter.
fn usage_hint(name: &str) -> &'static str {
    match name {
        "level" => "`compress(level = 6)`, from 0 to 9",
        "mem_level" => "`compress(mem_level = 8)`, from 1 to 9",
        "server_max_window_bits" => "`compress(server_max_window_bits = 12)`, from 9 to 15",
        "client_max_window_bits" => "`compress(client_max_window_bits = 12)`, from 9 to 15",
        "server_no_context_takeover" => "`compress(server_no_context_takeover)`",
        "client_no_context_takeover" => "`compress(client_no_context_takeover)`",
        _ => "`compress(min_size = 64)`, in bytes, or with a unit: `1KiB`",
    }
}
