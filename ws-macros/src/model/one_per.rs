//! The bound on connections with a tag: `one_per` and `on_second`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit};

use super::usage::{invalid_value, usage_hint};
use super::value::{keyword, ungroup_expr};

/// Returns the value of `one_per`: the part of a tag before its colon.
pub(super) fn one_per(value: &Expr) -> syn::Result<TokenStream> {
    if matches!(keyword(value).as_deref(), Some("none" | "None")) {
        return Ok(quote!(::core::option::Option::None));
    }
    match ungroup_expr(value) {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => match text.value() {
            prefix if prefix.is_empty() || prefix.len() > 64 || prefix.contains(':') => Err(syn::Error::new(
                text.span(),
                format!(
                    "`one_per` is the part of a tag before its colon, of 1 to 64 bytes\nhelp: write {}",
                    usage_hint("one_per")
                ),
            )),
            _ => Ok(quote!(::core::option::Option::Some(#text))),
        },
        Expr::Lit(_) => Err(invalid_value(value.span(), "one_per")),
        constant => Ok(quote!(::core::option::Option::Some(#constant))),
    }
}

/// Returns the value of `on_second`.
pub(super) fn on_second(value: &Expr) -> syn::Result<TokenStream> {
    match keyword(value).as_deref() {
        Some("replace") => Ok(quote!(__ws::OnSecond::Replace)),
        Some("refuse") => Ok(quote!(__ws::OnSecond::Refuse)),
        _ => Err(invalid_value(value.span(), "on_second")),
    }
}
