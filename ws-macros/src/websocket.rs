//! Entry points on `proc_macro2` tokens, which unit tests can call.

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;
use crate::parse::Item;
use crate::{expand, fallback, model, parse};

/// Expands the `#[websocket]` attribute.
pub(crate) fn websocket(args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some(parsed) = parse::parse_item(item, &mut errors) else {
        let errors = errors.into_tokens();
        return quote!(#errors #item);
    };
    match parsed {
        Item::Declaration(mut declaration) => {
            let words = ["envelope", "JsonRpc", "Tagged"];
            declaration.has_envelope =
                args.clone().into_iter().any(|token| words.contains(&token.to_string().as_str()));
            let options = parse::parse_options(args, &mut errors);
            match model::validate_declaration(&declaration, options, &mut errors)
                .filter(|_| errors.is_empty())
            {
                Some(model) => expand::expand_declaration(&declaration.tokens, &model),
                None => fallback::fallback_declaration(&declaration, errors),
            }
        }
        Item::Block(block) => {
            let options = parse::parse_impl_options(args, &mut errors);
            let mut model = model::validate_impl(&block, &mut errors);
            if let (Some(model), Some(option)) = (&mut model, options.contract) {
                model.contract = Some(model::validate_contract(option, &block.attrs, model, &mut errors));
            }
            let client = (options.client.zip(model.as_ref()))
                .and_then(|(client, model)| model::validate_client(client, &block, model, &mut errors));
            match model.filter(|_| errors.is_empty()) {
                Some(model) => {
                    let client = client.map(|client| expand::expand_client(&model.self_ty, &client));
                    let handler = expand::expand_impl(&block, &model);
                    quote!(#handler #client)
                }
                None => fallback::fallback_impl(*block, errors),
            }
        }
    }
}

/// Expands a helper attribute outside of a `#[websocket] impl` into an error.
pub(crate) fn misplaced(name: &str, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    errors.error(
        proc_macro2::Span::call_site(),
        format!(
            "`#[{name}]` outside of a `#[websocket]` impl\n\
             help: put it on a method of an `impl` block that has `#[websocket]`"
        ),
    );
    let errors = errors.into_tokens();
    quote!(#errors #item)
}
