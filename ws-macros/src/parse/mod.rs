//! The grammar: what is written, without asking whether it makes sense.

mod block;
mod helper;
mod options;
mod suggest;

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Generics, Ident, Token, Visibility};

pub(crate) use block::{Block, Member, Method};
pub(crate) use helper::{HELPERS, OTHER_NAMES, cfg_attr_helper, is_websocket, attribute_name};
pub(crate) use options::{Opt, OptValue, parse_options};
pub(crate) use suggest::suggest;

use crate::errors::Errors;

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

/// Parses the item; the errors says what it is not.
pub(crate) fn parse_item(tokens: &TokenStream, errors: &mut Errors) -> Option<Item> {
    let parser = |input: ParseStream<'_>| {
        let ahead = input.fork();
        ahead.call(Attribute::parse_outer)?;
        ahead.parse::<Visibility>()?;
        if ahead.peek(Token![impl]) || ahead.peek(Token![unsafe]) && ahead.peek2(Token![impl]) {
            input.parse().map(|block| Item::Block(Box::new(block)))
        } else if ahead.peek(Token![struct]) || ahead.peek(Token![enum]) {
            input.parse().map(Item::Declaration)
        } else {
            let help = "help: it goes on a `struct` or `enum`, to declare a handler, and on its `impl`";
            let text = match item_kind(&ahead) {
                Some(kind) => format!("`#[websocket]` on a {kind}\n{help}"),
                None => format!("`#[websocket]` on what is no handler\n{help}"),
            };
            Err(ahead.error(text))
        }
    };
    errors.collect(parser.parse2(tokens.clone()))
}

/// What else the attribute stands on.
fn item_kind(ahead: ParseStream<'_>) -> Option<&'static str> {
    let words = [
        ("fn", "function"),
        ("trait", "trait"),
        ("mod", "module"),
        ("union", "union"),
        ("type", "type alias"),
        ("static", "static"),
        ("use", "import"),
        ("macro_rules", "macro"),
    ];
    let rest: TokenStream = ahead.fork().parse().ok()?;
    // Before `fn` there may be these; without it, the first two are something themselves.
    let mut words_before = Vec::new();
    for token in rest {
        let word = token.to_string();
        match word.as_str() {
            "async" | "unsafe" | "const" | "extern" => words_before.push(word),
            _ if word.starts_with('"') => {}
            _ => {
                let found = words.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind);
                let before = |word: &str| words_before.iter().any(|before| before == word);
                return found
                    .or_else(|| before("const").then_some("constant"))
                    .or_else(|| before("extern").then_some("foreign block"));
            }
        }
    }
    None
}

impl Parse for Declaration {
    /// Reads on behind the head as if it were all right: the compiler says if it is not.
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let (websockets, attrs): (Vec<_>, Vec<_>) = attrs.into_iter().partition(is_websocket);
        let rest = input.fork().parse::<TokenStream>()?;
        input.parse::<Visibility>()?;
        input.parse::<TokenTree>()?;
        let ident = input.parse()?;
        let mut generics: Generics = input.parse()?;
        generics.where_clause = input.parse()?;
        if input.peek(syn::token::Paren) {
            // That of a tuple stands behind it.
            input.parse::<TokenTree>()?;
            generics.where_clause = input.parse()?;
        }
        input.parse::<TokenStream>()?;
        Ok(Self { websockets, tokens: quote!(#(#attrs)* #rest), ident, generics })
    }
}

impl Parse for Block {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        block::parse(input)
    }
}

/// The attribute on an `impl` takes no options.
pub(crate) fn reject_options(args: TokenStream, errors: &mut Errors) {
    if !args.is_empty() {
        errors.error_at(
            args,
            "options on an `impl` block\nhelp: options of a handler go into the `#[websocket(…)]` on its `struct` or `enum`",
        );
    }
}
