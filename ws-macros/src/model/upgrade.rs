//! Validation of `#[on_upgrade]`.

use proc_macro2::{Ident, Span};
use syn::{Attribute, FnArg, ReturnType, Type};

use super::argument::names_context;
use super::method::{check_signature, reject_arguments};
use super::types::{borrows, ungroup_type};
use super::{cfg_attributes, output_span};
use crate::errors::Errors;
use crate::parse;

pub(crate) struct Upgrade {
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) ident: Ident,
    pub(crate) is_async: bool,
    /// Types of the extractors, in source order.
    pub(crate) args: Vec<Type>,
    /// Span of the return type.
    pub(crate) output: Span,
}

pub(super) fn validate_upgrade(
    method: &parse::ImplMethod,
    helper: &Attribute,
    errors: &mut Errors,
) -> Option<Upgrade> {
    let sig = &method.sig;
    reject_arguments(helper, errors);
    check_signature(sig, "`#[on_upgrade]`", errors);
    if let Some(receiver) = sig.receiver() {
        errors.error_at(
            receiver,
            "`#[on_upgrade]` creates the handler, so it has no `self`\n\
             help: write an associated function: `async fn join(Path(room): Path<String>) -> Self`",
        );
        return None;
    }
    if matches!(sig.output, ReturnType::Default) {
        errors.error(
            sig.ident.span(),
            "`#[on_upgrade]` creates the handler, but this method returns nothing\n\
             help: return `Self`, `Upgrade<Self>`, or a `Result` of one of them",
        );
        return None;
    }
    let mut args = Vec::new();
    for input in &sig.inputs {
        let FnArg::Typed(input) = input else { continue };
        match not_an_extractor(&input.ty) {
            None => args.push((*input.ty).clone()),
            Some(why) => errors.error_at(
                &input.ty,
                format!(
                    "{why}\nhelp: extractors are `Path<T>`, `Query<T>`, `State<T>`, `HeaderMap`, `PeerAddr`…"
                ),
            ),
        }
    }
    Some(Upgrade {
        cfgs: cfg_attributes(&method.attrs),
        ident: sig.ident.clone(),
        is_async: sig.asyncness.is_some(),
        args,
        output: output_span(sig),
    })
}

/// Returns why a type cannot be an extractor.
fn not_an_extractor(ty: &Type) -> Option<&'static str> {
    match ungroup_type(ty) {
        ty if names_context(ty) => Some(
            "`#[on_upgrade]` has no `cx`, because the connection is not open yet: use `cx` in `#[on_open]`",
        ),
        Type::Reference(_) => Some("an extractor is taken by value, not by reference"),
        Type::ImplTrait(_) => Some("`#[on_upgrade]` needs the concrete type of an extractor"),
        ty if borrows(ty) => {
            Some("an extractor cannot borrow, because the request does not outlive the handshake")
        }
        _ => None,
    }
}
