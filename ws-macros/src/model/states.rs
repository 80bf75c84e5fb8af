//! States: the variants of an `enum` handler, and the methods that belong to them.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Fields, FnArg, GenericArgument, GenericParam, Ident, PatType, PathArguments, ReturnType, Signature,
    Token, Type,
};

use super::kind::Kind;
use super::task::is_punct;
use super::types::{is_named, last_name, names_context, type_arguments, ungroup_type};
use crate::errors::Errors;
use crate::parse::DeclarationItem;

/// The part of a method that is about states.
#[derive(Default)]
pub(crate) struct MethodStates {
    /// The state that the method belongs to; `None` for a method of the whole handler.
    pub(crate) state: Option<Type>,
    /// The states of `ignore`.
    pub(crate) ignored: Vec<Type>,
    /// The states of the `Goto`s in the return type.
    pub(crate) targets: Vec<Type>,
    /// Whether a method of another state takes the message first, and has the impl of `OnInfo`.
    pub(crate) follows: bool,
}

impl MethodStates {
    /// Returns all types that have to be states.
    pub(crate) fn types(&self) -> impl Iterator<Item = &Type> {
        self.state.iter().chain(&self.ignored).chain(&self.targets)
    }

    /// Returns whether both belong to one state, or both to the whole handler, as far as the tokens show.
    pub(super) fn overlap(&self, other: &Self) -> bool {
        text(self.state.as_ref()) == text(other.state.as_ref())
    }
}

/// Returns the tokens of a type as text.
pub(crate) fn text(syntax: impl ToTokens) -> String {
    syntax.to_token_stream().to_string()
}

/// Returns the variants that are states: all, if each holds one type of its own.
pub(crate) fn state_variants(item: &DeclarationItem) -> Vec<(Ident, Type)> {
    let Ok(item) = syn::parse2::<syn::ItemEnum>(item.tokens.clone()) else { return Vec::new() };
    let is_parameter = |ty: &Type| {
        let names = item.generics.params.iter().filter_map(|param| match param {
            GenericParam::Type(param) => Some(&param.ident),
            _ => None,
        });
        matches!(ty, Type::Path(path) if names.clone().any(|name| path.path.is_ident(name)))
    };
    let mut states: Vec<(Ident, Type)> = Vec::new();
    for variant in &item.variants {
        let Fields::Unnamed(fields) = &variant.fields else { return Vec::new() };
        let (Some(field), 1) = (fields.unnamed.first(), fields.unnamed.len()) else { return Vec::new() };
        let ty = ungroup_type(&field.ty);
        let boxed = if is_named(ty, "Box") || is_named(ty, "Pin") { type_arguments(ty) } else { Vec::new() };
        let has_cfg = variant.attrs.iter().chain(&field.attrs).any(|attr| attr.path().is_ident("cfg"));
        let is_repeated = states.iter().any(|(_, other)| text(other) == text(ty));
        if has_cfg || is_repeated || is_parameter(ty) || boxed.into_iter().any(is_parameter) {
            return Vec::new();
        }
        states.push((variant.ident.clone(), ty.clone()));
    }
    states
}

/// Returns the first parameter of a method if that is a state: `name: &mut T`, without `self`.
pub(super) fn state_param(sig: &Signature) -> Option<&PatType> {
    let Some(FnArg::Typed(first)) = sig.inputs.first() else { return None };
    let Type::Reference(reference) = ungroup_type(&first.ty) else { return None };
    let name = last_name(&reference.elem)?;
    let is_other = names_context(&first.ty) || ["str", "Self"].contains(&name.as_str());
    (reference.mutability.is_some() && !is_other).then_some(first)
}

/// Returns the type of the state that a method belongs to.
pub(super) fn state_of(sig: &Signature) -> Option<Type> {
    match ungroup_type(&state_param(sig)?.ty) {
        Type::Reference(reference) => Some(ungroup_type(&reference.elem).clone()),
        _ => None,
    }
}

/// Returns the receiver for a usage hint: `&mut self`, or the state as the method writes it.
pub(super) fn receiver_hint(sig: &Signature, kind: Kind) -> String {
    match (state_param(sig), kind) {
        (Some(param), _) => {
            let (pat, ty) = (&param.pat, state_of(sig));
            format!("{}: &mut {}", text(pat), text(ty))
        }
        (None, Kind::Enter | Kind::Leave) => "member: &mut Member".into(),
        (None, _) => "&mut self".into(),
    }
}

/// Checks whether the attribute may belong to a state, and whether it has to. Returns false after an error.
pub(super) fn check_owner(sig: &Signature, kind: Kind, usage: &str, errors: &mut Errors) -> bool {
    let name = kind.name();
    match (state_param(sig), kind) {
        (Some(param), Kind::Open) => {
            errors.error_at(
                &param.ty,
                "`#[on_open]` of a state: the connection opens once, in whatever state comes first\n\
                 help: write `#[on_enter]`, which also runs for the first state; or take `&mut self`",
            );
            false
        }
        (None, Kind::Enter | Kind::Leave) => {
            let span = sig.receiver().map_or_else(|| sig.ident.span(), Spanned::span);
            errors.error(
                span,
                format!("`#[{name}]` belongs to a state, which is its first parameter\nhelp: write {usage}"),
            );
            false
        }
        _ => true,
    }
}

/// Returns the advice for a function without `self`, if its first parameter is probably meant as a state.
pub(super) fn misplaced_state(sig: &Signature) -> Option<(TokenStream, String)> {
    let Some(FnArg::Typed(first)) = sig.inputs.first() else { return None };
    let Type::Reference(reference) = ungroup_type(&first.ty) else { return None };
    let (name, pat) = (last_name(&reference.elem)?, text(&first.pat));
    if name == "Self" {
        let text = "the handler is not a state\nhelp: write `&mut self`".into();
        return Some((first.ty.to_token_stream(), text));
    }
    let payloads = [
        "str",
        "u64",
        "CloseReason",
        "HandlerError",
        "Context",
        "String",
        "Utf8Bytes",
        "Vec",
        "Bytes",
        "Json",
    ];
    if payloads.contains(&name.as_str()) {
        return None;
    }
    let help = format!("help: write `{pat}: &mut {name}`; a method of all states has `&mut self`");
    Some((first.ty.to_token_stream(), format!("a method borrows its state mutably\n{help}")))
}

/// Words in place of `ignore`.
const IGNORE: [&str; 5] = ["ignore", "ignored", "ignores", "skip", "except"];
/// Words in place of the first parameter, which is the state of the method.
const STATE: [&str; 3] = ["state", "states", "when"];

/// Returns the name and the rest of the arguments in `"name", ignore = Guest`, each of which may be missing.
pub(super) fn split_ignored(arguments: &TokenStream) -> (Option<TokenStream>, Option<TokenStream>) {
    let tokens: Vec<TokenTree> = arguments.clone().into_iter().collect();
    let is_word = |token: &TokenTree| {
        let words = IGNORE.iter().chain(&STATE);
        matches!(token, TokenTree::Ident(ident) if words.clone().any(|word| ident == word))
    };
    match &*tokens {
        [word, next, ..] if is_word(word) && (is_punct(next, '=') || matches!(next, TokenTree::Group(_))) => {
            (None, Some(arguments.clone()))
        }
        [name @ TokenTree::Literal(_), comma, rest @ ..]
            if is_punct(comma, ',') && rest.first().is_some_and(is_word) =>
        {
            (Some(name.clone().into()), Some(rest.iter().cloned().collect()))
        }
        _ => (Some(arguments.clone()), None),
    }
}

/// Returns the states of `ignore = Guest` or `ignore(Guest, Admin)`; `None` if there are other arguments.
pub(super) fn ignored_states(arguments: &TokenStream, kind: Kind, errors: &mut Errors) -> Option<Vec<Type>> {
    let mut tokens = arguments.clone().into_iter();
    let first = tokens.next()?;
    let (word, rest) = (first.to_string(), tokens.collect::<TokenStream>());
    let name = kind.name();
    if STATE.contains(&word.as_str()) {
        errors.error_at(
            arguments,
            format!(
                "the state of a method is the type of its first parameter\n\
                 help: write `#[{name}] fn login(guest: &mut Guest, …)`"
            ),
        );
        return Some(Vec::new());
    }
    if !IGNORE.contains(&word.as_str()) {
        return None;
    }
    let usage = format!("`#[{name}(ignore = Guest)]` or `#[{name}(ignore(Guest, Admin))]`");
    if let Kind::Open | Kind::Enter | Kind::Leave | Kind::Every | Kind::After = kind {
        let why = match kind {
            Kind::Open => "the connection opens once, in whatever state comes first",
            Kind::Enter | Kind::Leave => "a state without the method has nothing to ignore",
            _ => "a timer runs in the state of its method only",
        };
        errors.error_at(arguments, format!("`#[{name}]` cannot ignore a state: {why}\nhelp: remove it"));
        return Some(Vec::new());
    }
    let types = if word == "ignore" { parse_ignored(rest) } else { None };
    let Some(types) = types else {
        errors.error_at(arguments, format!("not the states that ignore the event\nhelp: write {usage}"));
        return Some(Vec::new());
    };
    for (at, ty) in types.iter().enumerate() {
        if types[..at].iter().any(|other| text(other) == text(ty)) {
            errors.error_at(ty, format!("`{}` is ignored twice\nhelp: remove one of them", text(ty)));
        }
    }
    Some(types)
}

fn parse_ignored(rest: TokenStream) -> Option<Vec<Type>> {
    let one = |input: syn::parse::ParseStream<'_>| {
        input.parse::<Token![=]>()?;
        input.parse::<Type>()
    };
    let all = |input: syn::parse::ParseStream<'_>| {
        let content;
        syn::parenthesized!(content in input);
        Punctuated::<Type, Token![,]>::parse_terminated(&content)
    };
    let is_path = |ty: &Type| matches!(ty, Type::Path(_));
    let types: Vec<Type> = match one.parse2(rest.clone()) {
        Ok(ty) => vec![ty],
        Err(_) => all.parse2(rest).ok()?.into_iter().collect(),
    };
    (!types.is_empty() && types.iter().all(is_path)).then_some(types)
}

/// Returns the `S` of each `Goto<S>` in a return type.
pub(super) fn targets(output: &ReturnType) -> Vec<Type> {
    let mut found = Vec::new();
    if let ReturnType::Type(_, ty) = output {
        find_targets(ty, &mut found);
    }
    found
}

fn find_targets(ty: &Type, found: &mut Vec<Type>) {
    match ungroup_type(ty) {
        Type::Tuple(tuple) => tuple.elems.iter().for_each(|ty| find_targets(ty, found)),
        Type::Array(array) => find_targets(&array.elem, found),
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return };
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return };
            let types = arguments.args.iter().filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            });
            if last.ident == "Goto" {
                found.extend(types.take(1).cloned());
            } else {
                types.for_each(|ty| find_targets(ty, found));
            }
        }
        _ => {}
    }
}

/// Returns the type that an `#[on_upgrade]` creates: without `Result` and `Upgrade`.
pub(super) fn created_type(output: &ReturnType) -> Type {
    let ReturnType::Type(_, ty) = output else { return syn::parse_quote!(()) };
    let mut ty = ungroup_type(ty);
    for name in ["Result", "Upgrade"] {
        if is_named(ty, name) {
            ty = type_arguments(ty).first().map_or(ty, |inner| ungroup_type(inner));
        }
    }
    ty.clone()
}

/// Rejects an `#[on_leave]` that leads to a state itself, and a `Goto` with the handler.
pub(super) fn check_targets(kind: Kind, targets: &[Type], errors: &mut Errors) {
    for target in targets {
        let name = text(target);
        if kind == Kind::Leave {
            errors.error_at(
                target,
                format!(
                    "`#[on_leave]` cannot lead to `{name}`: the handler is on its way to another state\n\
                     help: return the `Goto` from the method that leaves, or from the `#[on_enter]` of the new state"
                ),
            );
        } else if name == "Self" {
            errors.error_at(
                target,
                "a `Goto` has the value of a state, not the handler\n\
                 help: write `Goto<Member>`, with the type that a variant holds",
            );
        }
    }
}

/// Returns the text of the error for two methods of one state, or of none.
pub(super) fn of_state(states: &MethodStates) -> String {
    states.state.as_ref().map_or_else(String::new, |state| format!(" of `{}`", text(quote!(#state))))
}
