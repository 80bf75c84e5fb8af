//! Validation of lists of strings.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit};

use super::value::ungroup_expr;

/// Returns the subprotocols as an expression of type `&[&str]`.
pub(super) fn subprotocols(items: &[Expr]) -> syn::Result<TokenStream> {
    string_list(items, check_subprotocol)
}

/// Returns the origins as an expression of type `&[&str]`.
pub(super) fn origins(items: &[Expr]) -> syn::Result<TokenStream> {
    string_list(items, check_origin)
}

/// Returns a list of strings. Literals are checked; constants and macros are not.
fn string_list(items: &[Expr], check: fn(&str) -> Result<(), &'static str>) -> syn::Result<TokenStream> {
    let mut seen = Vec::new();
    for item in items {
        let text = match ungroup_expr(item) {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => text,
            Expr::Path(_) | Expr::Macro(_) => continue,
            _ => {
                let why = "not a string\nhelp: write it in quotes, for example `\"chat.v1\"`";
                return Err(syn::Error::new(item.span(), why));
            }
        };
        check(&text.value()).map_err(|why| syn::Error::new(text.span(), why))?;
        if seen.contains(&text.value()) {
            let why = format!("{} appears twice\nhelp: remove one of them", text.token());
            return Err(syn::Error::new(text.span(), why));
        }
        seen.push(text.value());
    }
    Ok(quote!(&[#(#items),*]))
}

/// Checks that a name is a token (RFC 9110 §5.6.2), as the header requires.
fn check_subprotocol(name: &str) -> Result<(), &'static str> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.is_empty() && name.bytes().all(token) {
        Ok(())
    } else {
        Err("not a valid name of a subprotocol\nhelp: use letters, digits and `-._~`, for example `chat.v1`")
    }
}

/// Checks the serialisation of an origin (RFC 6454 §6.2). Browsers send `null` for sandboxed pages.
fn check_origin(text: &str) -> Result<(), &'static str> {
    if text.contains('*') {
        return Err("an origin with a wildcard\nhelp: list each origin, or write `origins = any`");
    }
    match text.split_once("://") {
        Some((scheme, host)) if !scheme.is_empty() && !host.is_empty() && !host.contains(['/', '?', '#']) => {
            Ok(())
        }
        _ if text == "null" => Ok(()),
        _ => Err("not an origin\nhelp: write scheme and host, as browsers send them: `https://example.com`"),
    }
}
