//! Grammar of the options of `#[websocket]` on an `impl`.

use proc_macro2::TokenStream;
use syn::Token;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};

use super::client::{ClientOption, parse_client};
use super::contract::{ContractOption, parse_contract};
use crate::errors::Errors;

/// The options on an `impl`, which concern its methods.
#[derive(Default)]
pub(crate) struct ImplOptions {
    pub(crate) contract: Option<ContractOption>,
    pub(crate) client: Option<ClientOption>,
}

/// Parses the options of an `impl` block, and rejects those of a declaration.
pub(crate) fn parse_impl_options(args: TokenStream, errors: &mut Errors) -> ImplOptions {
    errors.collect(parse.parse2(args)).unwrap_or_default()
}

fn parse(input: ParseStream<'_>) -> syn::Result<ImplOptions> {
    let mut options = ImplOptions::default();
    while !input.is_empty() {
        let name = input.fork().call(syn::Ident::parse_any).map(|name| name.to_string()).unwrap_or_default();
        let is_second = match &*name {
            "contract" => options.contract.replace(parse_contract(input)?).is_some(),
            "client" => options.client.replace(parse_client(input)?).is_some(),
            _ => {
                let rest: TokenStream = input.parse()?;
                return Err(syn::Error::new_spanned(
                    rest,
                    "options on an `impl` block, besides `contract` and `client`\n\
                     help: move the options to the `#[websocket(…)]` on the `struct` or `enum`",
                ));
            }
        };
        if is_second {
            return Err(input.error(format!("`{name}` is set twice\nhelp: keep one of them")));
        }
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(options)
}
