//! All the rules. What comes out is valid by construction.

mod argument;
mod compress;
mod declaration;
mod kind;
mod machine;
mod method;
mod path;
mod text;
mod types;
mod upgrade;
mod value;

use proc_macro2::Span;
use syn::{Attribute, GenericParam, Generics};

use crate::report::Report;

pub(crate) use argument::Arg;
pub(crate) use declaration::{Declaration, declaration};
pub(crate) use machine::{Both, Machine, PathUse, machine};
pub(crate) use method::{Event, Held, Method};
pub(crate) use upgrade::Upgrade;

const NO_BORROW: &str = "a handler cannot borrow: it lives as long as its connection\n\
                         help: let it own its data, or share it as an `Arc`";

/// A handler lives in a task of its own.
fn no_lifetimes(generics: &Generics, report: &mut Report) {
    for param in &generics.params {
        if let GenericParam::Lifetime(param) = param {
            report.error_at(param, NO_BORROW);
        }
    }
}

/// A second `#[websocket]` on one item.
fn one_websocket(attrs: &[Attribute], what: &str, report: &mut Report) {
    for attr in attrs {
        report.error_at(
            attr.path(),
            format!("a second `#[websocket]` on one {what}\nhelp: keep one, with all the options"),
        );
    }
}

/// The conditions under which a method is there at all.
fn cfgs(attrs: &[Attribute]) -> Vec<Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect()
}

/// Where a return type stands, or the function's name if it has none.
fn output_span(sig: &syn::Signature) -> Span {
    match &sig.output {
        syn::ReturnType::Default => sig.ident.span(),
        syn::ReturnType::Type(_, ty) => syn::spanned::Spanned::span(ty),
    }
}
