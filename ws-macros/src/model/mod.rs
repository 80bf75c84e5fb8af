//! All the rules. What comes out is valid by construction.

mod declaration;
mod machine;
mod path;
mod signature;
mod value;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, GenericParam, Generics, Type};

use crate::report::Report;

pub(crate) use declaration::{Declaration, declaration};
pub(crate) use machine::{Event, Machine, Method, Upgrade, machine};
pub(crate) use signature::Arg;

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
    for attr in attrs.iter().filter(|attr| crate::parse::is_websocket(attr)) {
        report.error_at(
            attr.path(),
            format!("a second `#[websocket]` on one {what}\nhelp: keep one, with all the options"),
        );
    }
}

/// Whether a type names a lifetime, as `&str` and `Command<'_>` do.
pub(crate) fn borrows(ty: &Type) -> bool {
    fn any(tokens: TokenStream) -> bool {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '&' => return true,
                TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                    let name = tokens.next().map(|name| name.to_string());
                    if name.as_deref() != Some("static") {
                        return true;
                    }
                }
                TokenTree::Group(group) if any(group.stream()) => return true,
                _ => {}
            }
        }
        false
    }
    any(ty.to_token_stream())
}
