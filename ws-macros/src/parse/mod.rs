//! Grammar of annotated items, without validation.

mod block;
mod client;
mod contract;
mod helper;
mod impl_options;
mod options;
mod suggest;

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Generics, Ident, Token, Visibility};

pub(crate) use block::{Block, ImplMethod, Member};
pub(crate) use client::ClientOption;
pub(crate) use contract::ContractOption;
pub(crate) use helper::{HELPERS, OTHER_NAMES, attribute_name, cfg_attr_helper, is_websocket};
pub(crate) use impl_options::parse_impl_options;
pub(crate) use options::{Opt, OptValue, parse_options};
pub(crate) use suggest::suggest;

use crate::errors::Errors;

/// Item that `#[websocket]` annotates.
pub(crate) enum Item {
    Declaration(DeclarationItem),
    Block(Box<Block>),
}

/// A `struct` or `enum`. Only its head is parsed.
pub(crate) struct DeclarationItem {
    /// Further `#[websocket]` attributes, which are not emitted.
    pub(crate) websockets: Vec<Attribute>,
    /// All tokens of the item except for those attributes.
    pub(crate) tokens: TokenStream,
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    /// Whether the options name an envelope, perhaps under another name.
    pub(crate) has_envelope: bool,
}

/// Parses the item, or adds an error that names its kind.
pub(crate) fn parse_item(tokens: &TokenStream, errors: &mut Errors) -> Option<Item> {
    let parser = |input: ParseStream<'_>| {
        let lookahead = input.fork();
        lookahead.call(Attribute::parse_outer)?;
        lookahead.parse::<Visibility>()?;
        if lookahead.peek(Token![impl]) || lookahead.peek(Token![unsafe]) && lookahead.peek2(Token![impl]) {
            input.parse().map(|block| Item::Block(Box::new(block)))
        } else if lookahead.peek(Token![struct]) || lookahead.peek(Token![enum]) {
            input.parse().map(Item::Declaration)
        } else {
            let help = "help: put it on a `struct` or `enum` to declare a handler, and on its `impl`";
            let text = match item_kind(&lookahead) {
                Some(kind) => format!("`#[websocket]` on a {kind}\n{help}"),
                None => format!("`#[websocket]` on an item that cannot be a handler\n{help}"),
            };
            Err(lookahead.error(text))
        }
    };
    errors.collect(parser.parse2(tokens.clone()))
}

/// Returns the kind of an item that cannot be a handler.
fn item_kind(lookahead: ParseStream<'_>) -> Option<&'static str> {
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
    let rest: TokenStream = lookahead.fork().parse().ok()?;
    // Qualifiers of `fn`. Without `fn`, `const` and `extern` start items of their own.
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

impl Parse for DeclarationItem {
    /// Parses the head and accepts any tokens after it; the compiler reports invalid ones.
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
            // The where clause of a tuple struct follows its fields.
            input.parse::<TokenTree>()?;
            generics.where_clause = input.parse()?;
        }
        input.parse::<TokenStream>()?;
        Ok(Self { websockets, tokens: quote!(#(#attrs)* #rest), ident, generics, has_envelope: false })
    }
}

impl Parse for Block {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        block::parse(input)
    }
}
