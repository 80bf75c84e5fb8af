//! The grammar: what is written, without asking whether it makes sense.

mod block;
mod options;

use proc_macro2::TokenStream;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Generics, Ident, Token, Visibility};

pub(crate) use block::{Block, HELPERS, Member, Method, helper_name};
pub(crate) use options::{Opt, OptValue, options};

use crate::report::Report;

/// What `#[websocket]` stands on.
pub(crate) enum Item {
    Declaration(Declaration),
    Block(Box<Block>),
}

/// A `struct` or `enum`, of which only the head matters.
pub(crate) struct Declaration {
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
}

/// Parses the item; the report says what it is not.
pub(crate) fn item(tokens: &TokenStream, report: &mut Report) -> Option<Item> {
    let parser = |input: ParseStream<'_>| {
        let ahead = input.fork();
        ahead.call(Attribute::parse_outer)?;
        ahead.parse::<Visibility>()?;
        if ahead.peek(Token![impl]) || ahead.peek(Token![unsafe]) && ahead.peek2(Token![impl]) {
            input.parse().map(|block| Item::Block(Box::new(block)))
        } else if ahead.peek(Token![struct]) {
            let item: syn::ItemStruct = input.parse()?;
            Ok(Item::Declaration(Declaration { ident: item.ident, generics: item.generics }))
        } else if ahead.peek(Token![enum]) {
            let item: syn::ItemEnum = input.parse()?;
            Ok(Item::Declaration(Declaration { ident: item.ident, generics: item.generics }))
        } else {
            Err(ahead.error(
                "`#[websocket]` goes on a `struct` or `enum`, to declare a handler, and on its `impl`",
            ))
        }
    };
    report.ok(parser.parse2(tokens.clone()))
}

/// The attribute on an `impl` takes no options.
pub(crate) fn no_options(args: TokenStream, report: &mut Report) {
    if !args.is_empty() {
        report.error_at(
            args,
            "options on an `impl` block\nhelp: options of a handler go into the `#[websocket(…)]` on its `struct` or `enum`",
        );
    }
}

impl Parse for Block {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        block::parse(input)
    }
}
