//! Code for what the model says. Nothing here can fail, and nothing here decides: what two handlers
//! would share is in `ws_core::private`.

mod declaration;
mod dispatch;
mod handler_impl;
mod rewrite;
mod upgrade;

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

pub(crate) use declaration::expand_declaration;
pub(crate) use handler_impl::expand_impl;
pub(crate) use rewrite::{with_send_static, with_statics};

/// A scope in which `__ws` is `ws_core::private`, whatever the user's crate calls `ws-core`: the one
/// name of ours that generated code starts from.
pub(crate) fn scope(code: &TokenStream) -> TokenStream {
    let name = match crate_name("ws-core") {
        Ok(FoundCrate::Name(name)) => Ident::new(&name, Span::call_site()),
        // In `ws-core` itself, or where somebody else's crate depends on it.
        Ok(FoundCrate::Itself) | Err(_) => Ident::new("ws_core", Span::call_site()),
    };
    quote! {
        const _: () = {
            use ::#name::private as __ws;
            #code
        };
    }
}
