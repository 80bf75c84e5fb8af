//! The option of `#[websocket]` on an `impl`: `client = pub BoardClient`.

use proc_macro2::Span;
use syn::parse::ParseStream;
use syn::{Ident, Token, Visibility};

/// The correct form of the option.
const HELP: &str =
    "help: write `client = BoardClient`, or `client = pub BoardClient` beside a handler that is `pub`";

/// The type of the client to generate.
pub(crate) struct ClientOption {
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
}

/// Parses the option, from its name on.
pub(super) fn parse_client(input: ParseStream<'_>) -> syn::Result<ClientOption> {
    let name: Ident = input.parse()?;
    if !input.peek(Token![=]) {
        return Err(syn::Error::new(name.span(), format!("a client without a name\n{HELP}")));
    }
    input.parse::<Token![=]>()?;
    let at = if input.is_empty() { name.span() } else { input.span() };
    let parse = || Ok(ClientOption { vis: input.parse()?, ident: input.parse()? });
    parse().map_err(|_: syn::Error| invalid(at))
}

fn invalid(at: Span) -> syn::Error {
    syn::Error::new(at, format!("not a value of `client`\n{HELP}"))
}
