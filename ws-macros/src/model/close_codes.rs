//! Validation of the causes of `close_codes`.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit};

use super::usage::invalid_value;
use super::value::ungroup_expr;
use crate::errors::Errors;
use crate::parse::suggest;
use crate::parse::{Opt, OptValue};

const CAUSES: [&str; 11] = [
    "timeout",
    "pong",
    "expired",
    "shutdown",
    "overflow",
    "rate",
    "size",
    "unsupported",
    "decode",
    "error",
    "panic",
];

/// Names of the options behind the causes, and common guesses.
const OTHER_NAMES: [(&str, &[&str]); 11] = [
    ("timeout", &["idle_timeout", "idle"]),
    ("pong", &["pong_timeout", "ping_timeout", "ping"]),
    ("expired", &["max_lifetime", "lifetime"]),
    ("shutdown", &["going_away", "restart", "shut_down"]),
    ("overflow", &["outbox_limit", "slow", "backpressure"]),
    ("rate", &["max_message_rate", "max_control_rate", "rate_limit"]),
    ("size", &["max_message_size", "max_frame_size", "too_big", "message_too_big"]),
    ("unsupported", &["unhandled"]),
    ("decode", &["bad_payload", "decode_error"]),
    ("error", &["on_error", "handler_error"]),
    ("panic", &["crash"]),
];

/// The longest text of a close frame in bytes (RFC 6455 §5.5).
const MAX_TEXT: usize = 123;

/// Returns the value of `Options::close_codes`.
pub(super) fn validate_close_codes(value: &Opt, errors: &mut Errors) -> Option<TokenStream> {
    let given = match &value.value {
        Some(OptValue::Nested(given, _)) => given,
        Some(OptValue::List(_, span) | OptValue::None(span)) => {
            errors.add(invalid_value(*span, "close_codes"));
            return None;
        }
        Some(OptValue::Expr(expr)) => {
            errors.add(invalid_value(expr.span(), "close_codes"));
            return None;
        }
        Some(OptValue::Tokens(tokens)) => {
            errors.add(invalid_value(tokens.span(), "close_codes"));
            return None;
        }
        None => {
            errors.add(invalid_value(value.name.span(), "close_codes"));
            return None;
        }
    };
    let mut settings = Vec::new();
    let mut seen: Vec<&Ident> = Vec::new();
    for cause in given {
        let name = &cause.name;
        if seen.contains(&name) {
            let text = format!("`{name}` of `close_codes` is set twice\nhelp: keep one of them");
            errors.error(name.span(), text);
            continue;
        }
        seen.push(name);
        let set = validate_cause(cause);
        settings.extend(errors.collect(set));
    }
    // The block keeps the variable apart from names in the user's expressions.
    Some(quote!({
        let mut close_codes = __ws::CloseCodes::DEFAULT;
        #(#settings)*
        close_codes
    }))
}

fn validate_cause(cause: &Opt) -> syn::Result<TokenStream> {
    let ident = &cause.name;
    let name = ident.to_string();
    if !CAUSES.contains(&name.as_str()) {
        let help = match suggest(&name, &CAUSES, &OTHER_NAMES) {
            Some(near) => format!("write {}", example(near)),
            None => format!("the causes are `{}`", CAUSES.join("`, `")),
        };
        let text = format!("unknown cause `{name}` of `close_codes`\nhelp: {help}");
        return Err(syn::Error::new(ident.span(), text));
    }
    let not = |span| {
        let text = format!("not a close code of `{name}`\nhelp: write {}", example(&name));
        syn::Error::new(span, text)
    };
    match &cause.value {
        Some(OptValue::Expr(value)) => match ungroup_expr(value) {
            Expr::Tuple(pair) if pair.elems.len() == 2 => {
                let (given_code, given_text) = (&pair.elems[0], &pair.elems[1]);
                let code = code(given_code).map_err(|why| why.unwrap_or_else(|| not(given_code.span())))?;
                let text = text(given_text).map_err(|why| why.unwrap_or_else(|| not(given_text.span())))?;
                Ok(quote!(close_codes.#ident = (#code, #text);))
            }
            value => {
                let code = code(value).map_err(|why| why.unwrap_or_else(|| not(value.span())))?;
                Ok(quote!(close_codes.#ident.0 = #code;))
            }
        },
        None => Err(not(ident.span())),
        Some(OptValue::Tokens(tokens)) => Err(not(tokens.span())),
        Some(OptValue::List(_, span) | OptValue::Nested(_, span) | OptValue::None(span)) => Err(not(*span)),
    }
}

/// Returns a code that may be sent, or a constant, which the compiler checks.
fn code(value: &Expr) -> Result<TokenStream, Option<syn::Error>> {
    match ungroup_expr(value) {
        Expr::Lit(ExprLit { lit: Lit::Int(lit), .. }) if lit.suffix().is_empty() => {
            match lit.base10_parse::<u16>() {
                Ok(1000..=1003 | 1007..=1014 | 3000..=4999) => Ok(quote!(#lit)),
                _ => {
                    let text = "this close code may not be sent\n\
                                help: write 1000 to 1003, 1007 to 1014, or 3000 to 4999; those from 4000 are yours";
                    Err(Some(syn::Error::new(lit.span(), text)))
                }
            }
        }
        Expr::Path(_) => Ok(quote!(#value)),
        _ => Err(None),
    }
}

/// Returns a text that fits into a close frame, or a constant, which the compiler checks.
fn text(value: &Expr) -> Result<TokenStream, Option<syn::Error>> {
    match ungroup_expr(value) {
        Expr::Lit(ExprLit { lit: Lit::Str(lit), .. }) if lit.value().len() > MAX_TEXT => {
            let text = format!(
                "this text has {} bytes, but a close frame holds {MAX_TEXT}\nhelp: write a shorter text",
                lit.value().len()
            );
            Err(Some(syn::Error::new(lit.span(), text)))
        }
        Expr::Lit(ExprLit { lit: Lit::Str(lit), .. }) => Ok(quote!(#lit)),
        Expr::Path(_) => Ok(quote!(#value)),
        _ => Err(None),
    }
}

/// Returns an example of a cause.
fn example(name: &str) -> String {
    format!("`close_codes({name} = 4001)`, or `close_codes({name} = (4001, \"text\"))`")
}
