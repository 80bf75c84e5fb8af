//! Validation of `client = …` on an `impl`: the methods of the client.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, ReturnType, Type, Visibility};

use super::arg::NamedArg;
use super::handler_impl::HandlerImpl;
use super::named::with_anonymous_lifetimes;
use super::types::{is_named, type_arguments, ungroup_type};
use crate::errors::Errors;
use crate::parse::{Block, ClientOption, Member};
use crate::snake_case::snake_case;

/// A client to generate.
pub(crate) struct ClientModel {
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
    pub(crate) methods: Vec<ClientMethod>,
    /// The calls of the server that the contract declares: the method that answers each, and its type.
    pub(crate) calls: Vec<(Ident, Type)>,
}

/// A method of a client.
pub(crate) struct ClientMethod {
    /// `cfg` attributes and the documentation of the handler's method.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) params: ClientParams,
    /// The types of the result and of the error; `None` for a message without an answer.
    pub(crate) output: Option<(TokenStream, TokenStream)>,
}

/// The parameters of a client's method.
pub(crate) enum ClientParams {
    /// `Params<T>`
    All(TokenStream),
    /// One argument for each parameter, with its name and type.
    Each(Vec<(Ident, String, TokenStream)>),
}

/// Validates the client of a handler.
pub(crate) fn validate_client(
    option: ClientOption,
    block: &Block,
    handler: &HandlerImpl,
    errors: &mut Errors,
) -> Option<ClientModel> {
    let ClientOption { vis, ident } = option;
    if !block.generics.params.is_empty() {
        errors.error(
            ident.span(),
            "a client of a generic handler\nhelp: name the types in the handler, or write the client by hand",
        );
        return None;
    }
    let mut methods = Vec::new();
    for method in &handler.methods {
        let Some(name) = method.name() else { continue };
        let source = block.members.iter().find_map(|member| match member {
            Member::Method(source) if source.sig.ident == method.ident => Some(source),
            _ => None,
        });
        let Some(source) = source else { continue };
        let is_kept =
            |attr: &&Attribute| ["doc", "cfg", "deprecated"].iter().any(|kept| attr.path().is_ident(kept));
        let each: Vec<_> = method
            .named_args()
            .filter_map(|arg| match arg {
                NamedArg::One(name, ty) => {
                    let ty = with_anonymous_lifetimes(ty, &method.lifetimes);
                    Some((argument_ident(name), name.clone(), ty))
                }
                NamedArg::All(_) => None,
            })
            .collect();
        let all = method.named_args().find_map(|arg| match arg {
            NamedArg::All(ty) => Some(with_anonymous_lifetimes(ty, &method.lifetimes)),
            NamedArg::One(..) => None,
        });
        methods.push(ClientMethod {
            attrs: source.attrs.iter().filter(is_kept).cloned().collect(),
            ident: method.ident.clone(),
            name: name.text.clone(),
            params: all.map_or(ClientParams::Each(each), ClientParams::All),
            output: name.is_call.then(|| output(&source.sig.output)),
        });
    }
    if methods.is_empty() {
        errors.error(
            ident.span(),
            "a client of a handler without named methods\nhelp: put `#[on_call]` or `#[on_message]` on a method",
        );
        return None;
    }
    let calls = handler.contract.iter().flat_map(|contract| &contract.calls);
    let calls = calls.filter_map(|ty| Some((call_method(ty)?, ty.clone()))).collect();
    Some(ClientModel { vis, ident, methods, calls })
}

/// Returns the name of the method that answers a call: that of the type in snake case. `None` for a type that is not a
/// path: such a type cannot be a call.
fn call_method(ty: &Type) -> Option<Ident> {
    let Type::Path(path) = ungroup_type(ty) else { return None };
    let ident = &path.path.segments.last()?.ident;
    let mut method = argument_ident(&snake_case(&ident.unraw().to_string()));
    method.set_span(ident.span());
    Some(method)
}

/// Returns the name of an argument, raw if it is a keyword.
fn argument_ident(name: &str) -> Ident {
    if syn::parse_str::<Ident>(name).is_ok() {
        Ident::new(name, Span::call_site())
    } else {
        Ident::new_raw(name, Span::call_site())
    }
}

/// Returns the types of the result and of the error.
///
/// The types are found by their spelling: a signature cannot be inferred, as the answer of a method is. An alias of
/// `Result` has to be named `Result` too; another one is an error of the compiler, because it does not deserialize.
fn output(output: &ReturnType) -> (TokenStream, TokenStream) {
    let call_error = quote!(__ws::CallError);
    let ReturnType::Type(_, ty) = output else { return (quote!(()), call_error) };
    let ty = undeferred(ty);
    if !is_named(ty, "Result") {
        return (result(ty), call_error);
    }
    let span = ty.span();
    let (ok, error) = match *type_arguments(ty) {
        [ok, ref error @ ..] => (Some(ok), error.first().copied()),
        [] => (None, None),
    };
    // The parts of an alias, which has fewer arguments.
    let part = |name: &str| {
        let name = Ident::new(name, span);
        quote_spanned!(span=> <#ty as __ws::ResultParts>::#name)
    };
    (ok.map_or_else(|| part("Ok"), result), error.map_or_else(|| part("Error"), ToTokens::to_token_stream))
}

/// Returns the type inside of `Deferred`.
fn undeferred(ty: &Type) -> &Type {
    let ty = ungroup_type(ty);
    match *type_arguments(ty) {
        [inner] if is_named(ty, "Deferred") => ungroup_type(inner),
        _ => ty,
    }
}

/// Returns the type of the result without the next states after it.
fn result(ty: &Type) -> TokenStream {
    let is_goto = |ty: &Type| {
        is_named(ty, "Goto")
            || is_named(ty, "Option")
                && type_arguments(ty).first().is_some_and(|inner| is_named(inner, "Goto"))
    };
    match ungroup_type(ty) {
        ty if is_goto(ty) => quote!(()),
        Type::Tuple(tuple) if tuple.elems.iter().nth(1).is_some_and(is_goto) => {
            let first = tuple.elems.first();
            quote!(#first)
        }
        ty => quote!(#ty),
    }
}
