//! Validation of the option `contract`.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::Attribute;

use super::contract::{Contract, documentation};
use super::{Event, HandlerImpl};
use crate::errors::Errors;
use crate::parse::ContractOption;

/// Validates the values, and that all types of the handler have names.
pub(crate) fn validate_contract(
    option: ContractOption,
    attrs: &[Attribute],
    handler: &HandlerImpl,
    errors: &mut Errors,
) -> Contract {
    let ContractOption { span, version, calls, sends, closes } = option;
    let mut number = 1;
    if let Some(version) = version {
        match version.base10_parse() {
            Ok(value) if value > 0 => number = value,
            _ => errors.error(
                version.span(),
                "a version of a contract is a whole number from 1\nhelp: write `contract(version = 2)`",
            ),
        }
    }
    let mut codes = Vec::new();
    for (code, reason) in closes {
        match code.base10_parse::<u16>() {
            Ok(value @ (1000..=1003 | 1007..=1014 | 3000..=4999)) => codes.push((value, reason)),
            _ => errors.error(
                code.span(),
                "this close code may not be sent\nhelp: use 1000 to 1003, 1007 to 1014 or 3000 to 4999",
            ),
        }
    }
    for method in &handler.methods {
        let Some(output) = &method.contract.output else { continue };
        if !matches!(method.event, Event::Close) && has_impl(&output.to_token_stream()) {
            errors.error_at(
                output,
                "a contract needs the type that a method returns\n\
                 help: name the type in place of `impl …`, or remove `contract`",
            );
        }
    }
    Contract { span, version: number, docs: documentation(attrs), calls, sends, closes: codes }
}

/// Returns whether a type contains `impl Trait`.
fn has_impl(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "impl",
        TokenTree::Group(group) => has_impl(&group.stream()),
        _ => false,
    })
}
