//! The grammar: what is written, without asking whether it makes sense.

mod block;
mod options;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Generics, Ident, Token, Visibility};

pub(crate) use block::{Block, HELPERS, Member, Method, OTHER_NAMES, helper_name, is_websocket};
pub(crate) use options::{Opt, OptValue, apart, options};

use crate::report::Report;

/// What `#[websocket]` stands on.
pub(crate) enum Item {
    Declaration(Declaration),
    Block(Box<Block>),
}

/// A `struct` or `enum`, of which only the head matters.
pub(crate) struct Declaration {
    /// Attributes that are `#[websocket]` again.
    pub(crate) websockets: Vec<Attribute>,
    /// The whole of it, without those.
    pub(crate) tokens: TokenStream,
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
            let mut item: syn::ItemStruct = input.parse()?;
            let websockets = item.attrs.extract_if(.., |attr| is_websocket(attr)).collect();
            let tokens = item.to_token_stream();
            Ok(Item::Declaration(Declaration {
                websockets,
                tokens,
                ident: item.ident,
                generics: item.generics,
            }))
        } else if ahead.peek(Token![enum]) {
            let mut item: syn::ItemEnum = input.parse()?;
            let websockets = item.attrs.extract_if(.., |attr| is_websocket(attr)).collect();
            let tokens = item.to_token_stream();
            Ok(Item::Declaration(Declaration {
                websockets,
                tokens,
                ident: item.ident,
                generics: item.generics,
            }))
        } else {
            let help = "help: it goes on a `struct` or `enum`, to declare a handler, and on its `impl`";
            let text = match what(&ahead) {
                Some(what) => format!("`#[websocket]` on a {what}\n{help}"),
                None => format!("`#[websocket]` on what is no handler\n{help}"),
            };
            Err(ahead.error(text))
        }
    };
    report.ok(parser.parse2(tokens.clone()))
}

/// What else the attribute stands on.
fn what(ahead: ParseStream<'_>) -> Option<&'static str> {
    let words = [
        ("fn", "function"),
        ("trait", "trait"),
        ("mod", "module"),
        ("union", "union"),
        ("type", "type alias"),
        ("static", "static"),
        ("use", "import"),
    ];
    let rest: TokenStream = ahead.fork().parse().ok()?;
    let idents = rest.into_iter().filter_map(|token| match token {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        _ => None,
    });
    let word = |ident: String| words.iter().find(|(word, _)| *word == ident).map(|(_, what)| *what);
    // Before `fn` there may be `async`, `const`, `unsafe` and `extern`.
    idents.take(4).find_map(word)
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
