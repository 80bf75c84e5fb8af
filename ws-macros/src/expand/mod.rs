//! Code generation from the model. Expansion cannot fail and decides nothing. Code that two handlers
//! would share lives in `ws_core::private`.

mod client;
mod contract;
mod declaration;
mod diagram;
mod dispatch;
mod handler_impl;
mod named;
mod rewrite;
mod states;
mod upgrade;

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

pub(crate) use client::expand_client;
pub(crate) use declaration::expand_declaration;
pub(crate) use handler_impl::expand_impl;
pub(crate) use rewrite::{with_send_static, with_statics};
pub(crate) use states::state_impls;

/// Returns a scope in which `__ws` is `ws_core::private`, under whatever name the user's crate
/// depends on `ws-core`. All paths of generated code start from `__ws` or `::core`.
pub(crate) fn scope(code: &TokenStream) -> TokenStream {
    let name = crate_name_ident();
    quote! {
        const _: () = {
            use ::#name::private as __ws;
            #code
        };
    }
}

/// Returns the name under which the user's crate depends on `ws-core`.
pub(crate) fn crate_name_ident() -> Ident {
    match crate_name("ws-core") {
        Ok(FoundCrate::Name(name)) => Ident::new(&name, Span::call_site()),
        // `ws-core` itself, or a crate that reaches `ws-core` through another dependency.
        Ok(FoundCrate::Itself) | Err(_) => Ident::new("ws_core", Span::call_site()),
    }
}
