//! Lists of texts.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit};

use super::value::ungroup_expr;

/// Names of subprotocols, as an expression of type `&[&str]`.
pub(super) fn subprotocols(items: &[Expr]) -> syn::Result<TokenStream> {
    string_list(items, check_subprotocol)
}

/// Origins of pages, as an expression of type `&[&str]`.
pub(super) fn origins(items: &[Expr]) -> syn::Result<TokenStream> {
    string_list(items, check_origin)
}

/// A list of texts; one that is a constant nobody looks at.
fn string_list(items: &[Expr], check: fn(&str) -> Result<(), &'static str>) -> syn::Result<TokenStream> {
    let mut seen = Vec::new();
    for item in items {
        let text = match ungroup_expr(item) {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => text,
            Expr::Path(_) | Expr::Macro(_) => continue,
            _ => {
                let why = "not a string\nhelp: write it in quotes, as `\"chat.v1\"`";
                return Err(syn::Error::new(item.span(), why));
            }
        };
        check(&text.value()).map_err(|why| syn::Error::new(text.span(), why))?;
        if seen.contains(&text.value()) {
            let why = format!("{} stands twice\nhelp: remove one of them", text.token());
            return Err(syn::Error::new(text.span(), why));
        }
        seen.push(text.value());
    }
    Ok(quote!(&[#(#items),*]))
}

/// A token of RFC 9110 §5.6.2, which is what the header holds.
fn check_subprotocol(name: &str) -> Result<(), &'static str> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.is_empty() && name.bytes().all(token) {
        Ok(())
    } else {
        Err("not a name of a subprotocol\nhelp: it has letters, digits and `-._~`, as `chat.v1`")
    }
}

/// As a browser writes it (RFC 6454 §6.2); `null` is that of a page in a sandbox.
fn check_origin(text: &str) -> Result<(), &'static str> {
    if text.contains('*') {
        return Err("origins are compared as a whole\nhelp: write each of them, or `origins = any`");
    }
    match text.split_once("://") {
        Some((scheme, host)) if !scheme.is_empty() && !host.is_empty() && !host.contains(['/', '?', '#']) => {
            Ok(())
        }
        _ if text == "null" => Ok(()),
        _ => Err(
            "not an origin\nhelp: write it as the browser sends it, without a path: `https://example.com`",
        ),
    }
}
