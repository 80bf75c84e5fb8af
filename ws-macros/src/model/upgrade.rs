//! Validation of `#[on_upgrade]`.

use proc_macro2::{Ident, Span};
use syn::{Attribute, FnArg, ReturnType, Type};

use super::method::{check_signature, reject_arguments};
use super::states::created_type;
use super::types::{borrows, extracted_types, is_named, last_name, names_context, ungroup_type};
use super::{cfg_attributes, output_span};
use crate::errors::Errors;
use crate::parse;

pub(crate) struct Upgrade {
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) ident: Ident,
    pub(crate) is_async: bool,
    /// Types of the extractors, in source order.
    pub(crate) args: Vec<Type>,
    /// Those types named `Path`, also inside of an `Option` or a `Result`.
    pub(crate) paths: Vec<Type>,
    /// Span of the return type.
    pub(crate) output: Span,
    /// The type that the function creates: the handler, or one of its states.
    pub(crate) created: Type,
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
        match not_an_extractor(&input.ty).or_else(|| extractor_of_axum(&input.ty)) {
            None => args.push((*input.ty).clone()),
            Some(why) if why.contains("\nhelp: ") => errors.error_at(&input.ty, why),
            Some(why) => errors.error_at(
                &input.ty,
                format!(
                    "{why}\nhelp: extractors are `Path<T>`, `Query<T>`, `State<T>`, `HeaderMap`, `PeerAddr`…"
                ),
            ),
        }
    }
    let extracted = args.iter().flat_map(extracted_types);
    let paths = extracted.filter(|ty| is_named(ty, "Path")).cloned().collect();
    Some(Upgrade {
        cfgs: cfg_attributes(&method.attrs),
        ident: sig.ident.clone(),
        is_async: sig.asyncness.is_some(),
        args,
        paths,
        output: output_span(sig),
        created: created_type(&sig.output),
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

/// Returns why an extractor of axum rejects every request. The names decide, because all of them implement
/// `FromRequestParts`; only `Path` is a name of ours too, which the compiler tells apart.
fn extractor_of_axum(ty: &Type) -> Option<&'static str> {
    extracted_types(ty).into_iter().find_map(|ty| match last_name(ty)?.as_str() {
        "WebSocketUpgrade" => Some(
            "the router upgrades the connection itself: a `WebSocketUpgrade` would answer every request with 426\n\
             help: remove this argument, and return `Upgrade<Self>` for a subprotocol, headers and options",
        ),
        "RawPathParams" => Some(
            "only axum's router fills `RawPathParams`, which would answer every request with 500\n\
             help: take the parameters of the handler's path as `Path<T>`",
        ),
        _ => None,
    })
}

/// Returns whether an extractor is the router's state, whose missing impl has an error of its own.
pub(crate) fn is_state(ty: &Type) -> bool {
    is_named(ty, "State")
}
