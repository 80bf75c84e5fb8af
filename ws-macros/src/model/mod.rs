//! Validation of parsed items. A model is valid by construction, so that expansion cannot fail.

mod arg;
mod argument;
mod client;
mod close_codes;
mod compress;
mod contract;
mod contract_option;
mod declaration;
mod envelope;
mod handler_impl;
mod kind;
mod method;
mod named;
mod one_per;
mod parameters;
mod path;
mod session;
mod states;
mod string_list;
mod task;
mod types;
mod upgrade;
mod usage;
mod value;

use proc_macro2::Span;
use syn::{Attribute, GenericParam, Generics};

use crate::errors::Errors;

pub(crate) use arg::{Arg, NamedArg, TextArg};
pub(crate) use client::{ClientMethod, ClientModel, ClientParams, validate_client};
pub(crate) use contract::Contract;
pub(crate) use contract_option::validate_contract;
pub(crate) use declaration::{Declaration, validate_declaration};
pub(crate) use envelope::{Envelope, Tags};
pub(crate) use handler_impl::{ExclusivePair, HandlerImpl, PathUse, validate_impl};
pub(crate) use method::{Event, Method, StoredPayload};
pub(crate) use named::with_anonymous_lifetimes;
pub(crate) use states::{state_variants, text};
pub(crate) use task::{context_name, is_punct, share_captured_context, with_stream};
pub(crate) use types::borrows;
pub(crate) use upgrade::{Upgrade, is_state};

const NO_BORROW: &str = "a handler cannot borrow: it lives as long as its connection\n\
                         help: let it own its data, or share it as an `Arc`";

/// Rejects lifetime parameters: a handler lives in its own task.
fn reject_lifetimes(generics: &Generics, errors: &mut Errors) {
    for param in &generics.params {
        if let GenericParam::Lifetime(param) = param {
            errors.error_at(param, NO_BORROW);
        }
    }
}

/// Rejects a second `#[websocket]` on an item.
fn reject_repeated_websocket(attrs: &[Attribute], item: &str, errors: &mut Errors) {
    for attr in attrs {
        errors.error_at(
            attr.path(),
            format!("a second `#[websocket]` on this {item}\nhelp: keep one, with all options"),
        );
    }
}

/// Returns the `cfg` attributes.
fn cfg_attributes(attrs: &[Attribute]) -> Vec<Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect()
}

/// Returns the span of the return type, or of the function's name if there is none.
fn output_span(sig: &syn::Signature) -> Span {
    match &sig.output {
        syn::ReturnType::Default => sig.ident.span(),
        syn::ReturnType::Type(_, ty) => syn::spanned::Spanned::span(ty),
    }
}
