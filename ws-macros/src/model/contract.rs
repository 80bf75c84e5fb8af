//! Validation of the option `contract`.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, ReturnType, Type};

use super::{Event, HandlerImpl};
use crate::errors::Errors;
use crate::parse::ContractOption;

/// The option `contract` with valid values.
pub(crate) struct Contract {
    pub(crate) span: Span,
    pub(crate) version: u32,
    /// The documentation of the `impl`.
    pub(crate) docs: String,
    pub(crate) calls: Vec<Type>,
    pub(crate) sends: Vec<Type>,
    pub(crate) closes: Vec<(u16, LitStr)>,
}

/// The part of a method that only the contract needs.
pub(crate) struct MethodContract {
    /// The documentation of the method.
    pub(crate) docs: String,
    /// The return type. `None` for a method without one.
    pub(crate) output: Option<Type>,
}

impl MethodContract {
    pub(super) fn new(attrs: &[Attribute], output: &ReturnType) -> Self {
        let output = match output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some((**ty).clone()),
        };
        Self { docs: documentation(attrs), output }
    }
}

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

/// Returns the text of the documentation comments.
fn documentation(attrs: &[Attribute]) -> String {
    let lines = attrs.iter().filter(|attr| attr.path().is_ident("doc")).filter_map(|attr| match &attr.meta {
        Meta::NameValue(set) => match &set.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<String> =
        lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect();
    lines.join("\n").trim().to_owned()
}
