//! All the rules. What comes out is valid by construction.

mod argument;
mod compress;
mod declaration;
mod kind;
mod handler_impl;
mod method;
mod path;
mod string_list;
mod types;
mod upgrade;
mod value;

use proc_macro2::Span;
use syn::{Attribute, GenericParam, Generics};

use crate::errors::Errors;

pub(crate) use argument::Arg;
pub(crate) use declaration::{Declaration, validate_declaration};
pub(crate) use handler_impl::{ExclusivePair, HandlerImpl, PathUse, validate_impl};
pub(crate) use method::{Event, StoredPayload, Method};
pub(crate) use upgrade::Upgrade;

const NO_BORROW: &str = "a handler cannot borrow: it lives as long as its connection\n\
                         help: let it own its data, or share it as an `Arc`";

/// A handler lives in a task of its own.
fn reject_lifetimes(generics: &Generics, errors: &mut Errors) {
    for param in &generics.params {
        if let GenericParam::Lifetime(param) = param {
            errors.error_at(param, NO_BORROW);
        }
    }
}

/// A second `#[websocket]` on one item.
fn reject_repeated_websocket(attrs: &[Attribute], item: &str, errors: &mut Errors) {
    for attr in attrs {
        errors.error_at(
            attr.path(),
            format!("a second `#[websocket]` on one {item}\nhelp: keep one, with all the options"),
        );
    }
}

/// The conditions under which a method is there at all.
fn cfg_attributes(attrs: &[Attribute]) -> Vec<Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect()
}

/// Where a return type stands, or the function's name if it has none.
fn output_span(sig: &syn::Signature) -> Span {
    match &sig.output {
        syn::ReturnType::Default => sig.ident.span(),
        syn::ReturnType::Type(_, ty) => syn::spanned::Spanned::span(ty),
    }
}
