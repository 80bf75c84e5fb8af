//! From tokens to tokens, where unit tests reach it too.

use proc_macro2::TokenStream;
use quote::quote;

use crate::parse::Item;
use crate::report::Report;
use crate::{expand, fallback, model, parse};

/// The `#[websocket]` attribute.
pub(crate) fn websocket(args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut report = Report::default();
    let Some(parsed) = parse::item(item, &mut report) else {
        let errors = report.into_errors();
        return quote!(#errors #item);
    };
    match parsed {
        Item::Declaration(declaration) => {
            let options = parse::options(args, &mut report);
            match model::declaration(&declaration, options, &mut report).filter(|_| report.is_empty()) {
                Some(model) => expand::declaration(&declaration.tokens, &model),
                None => fallback::declaration(&declaration, report),
            }
        }
        Item::Block(block) => {
            parse::no_options(args, &mut report);
            match model::machine(&block, &mut report).filter(|_| report.is_empty()) {
                Some(model) => expand::machine(&block, &model),
                None => fallback::machine(*block, report),
            }
        }
    }
}

/// A helper attribute that `#[websocket]` has not taken away.
pub(crate) fn misplaced(name: &str, item: &TokenStream) -> TokenStream {
    let mut report = Report::default();
    report.error(
        proc_macro2::Span::call_site(),
        format!(
            "`#[{name}]` outside of a handler\n\
             help: it goes on a method of an `impl` block that has `#[websocket]` above it"
        ),
    );
    let errors = report.into_errors();
    quote!(#errors #item)
}
