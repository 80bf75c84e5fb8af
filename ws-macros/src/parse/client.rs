//! The option of `#[websocket]` on an `impl`: `client = pub BoardClient`.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::{Ident, Token, Visibility};

use super::reject_options;
use crate::errors::Errors;

/// The correct form of the option.
const HELP: &str = "help: write `client = pub BoardClient`: the visibility and the name of the client's type";

/// The type of the client to generate.
pub(crate) struct ClientOption {
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
}

/// Parses the options on an `impl`.
pub(crate) fn parse_block_options(args: TokenStream, errors: &mut Errors) -> Option<ClientOption> {
    let is_client = args.clone().into_iter().next().is_some_and(|token| token.to_string() == "client");
    if !is_client {
        reject_options(args, errors);
        return None;
    }
    let parser = |input: ParseStream<'_>| {
        let name: Ident = input.parse()?;
        if input.is_empty() {
            return Err(syn::Error::new(name.span(), format!("a client without a name\n{HELP}")));
        }
        let parse = || {
            input.parse::<Token![=]>()?;
            let option = ClientOption { vis: input.parse()?, ident: input.parse()? };
            input.parse::<Option<Token![,]>>()?;
            Ok(option)
        };
        let option: syn::Result<ClientOption> = parse();
        match option {
            Ok(option) if input.is_empty() => Ok(option),
            _ => {
                let rest: TokenStream = input.parse()?;
                let at = if rest.is_empty() { name.into_token_stream() } else { rest };
                Err(syn::Error::new_spanned(at, format!("not a value of `client`\n{HELP}")))
            }
        }
    };
    errors.collect(parser.parse2(args))
}
