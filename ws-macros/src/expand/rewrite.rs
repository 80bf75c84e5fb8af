//! Rewriting of the user's types and generics for generated code.

use proc_macro2::{Group, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Attribute, Generics, Type, TypeParamBound, parse_quote};

/// Returns the generics with `Send + 'static` on each type parameter. A handler moves to its own
/// task, so the user need not write these bounds.
pub(crate) fn with_send_static(generics: &Generics) -> Generics {
    let mut owned = generics.clone();
    for param in owned.type_params_mut() {
        param
            .bounds
            .extend([parse_quote!(::core::marker::Send), parse_quote!('static)] as [TypeParamBound; 2]);
    }
    owned
}

/// Returns the `any(…)` condition under which at least one item exists; `None` if one is unconditional.
pub(super) fn any_cfg<'a>(of_each: impl Iterator<Item = &'a [Attribute]>) -> Option<TokenStream> {
    let mut all = Vec::new();
    for cfgs in of_each {
        if cfgs.is_empty() {
            return None;
        }
        let each = cfgs.iter().filter_map(|cfg| cfg.meta.require_list().ok()).map(|list| &list.tokens);
        all.push(quote!(all(#(#each),*)));
    }
    (!all.is_empty()).then(|| quote!(any(#(#all),*)))
}

/// Returns the tokens with their spans located at `span`.
pub(super) fn respan(span: Span, syntax: impl ToTokens) -> TokenStream {
    let tokens = syntax.to_token_stream().into_iter().map(|mut token| {
        if let TokenTree::Group(group) = &token {
            token = TokenTree::Group(Group::new(group.delimiter(), respan(span, group.stream())));
        }
        token.set_span(token.span().located_at(span));
        token
    });
    tokens.collect()
}

/// Returns a type or a where clause with `Self` replaced, for use outside of the `impl`.
pub(super) fn without_self(syntax: impl ToTokens, self_ty: &Type) -> TokenStream {
    fn replace(tokens: TokenStream, self_ty: &Type) -> TokenStream {
        let mut tokens = tokens.into_iter().peekable();
        let mut replaced = TokenStream::new();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(ident) if ident == "Self" => {
                    // `Self::LEN` becomes `<Handler<3>>::LEN`.
                    let path = matches!(tokens.peek(), Some(TokenTree::Punct(punct))
                        if punct.as_char() == ':' && punct.spacing() == Spacing::Joint);
                    replaced.extend(if path { quote!(<#self_ty>) } else { self_ty.to_token_stream() });
                }
                TokenTree::Group(group) => {
                    let mut inner = Group::new(group.delimiter(), replace(group.stream(), self_ty));
                    inner.set_span(group.span());
                    replaced.extend([TokenTree::Group(inner)]);
                }
                other => replaced.extend([other]),
            }
        }
        replaced
    }
    replace(syntax.to_token_stream(), self_ty)
}

/// Returns a type or a bound with `'static` for the handler's lifetimes and for anonymous ones.
pub(crate) fn with_statics(syntax: impl ToTokens, generics: &Generics) -> TokenStream {
    fn replace(tokens: TokenStream, is_ours: &dyn Fn(&str) -> bool) -> TokenStream {
        let mut tokens = tokens.into_iter().peekable();
        let mut replaced = TokenStream::new();
        while let Some(token) = tokens.next() {
            let name = match (&token, tokens.peek()) {
                (TokenTree::Punct(punct), Some(TokenTree::Ident(name))) if punct.as_char() == '\'' => {
                    Some(name.to_string())
                }
                _ => None,
            };
            match (token, name) {
                (_, Some(name)) if is_ours(&name) => {
                    tokens.next();
                    replaced.extend(quote!('static));
                }
                (TokenTree::Group(group), _) => {
                    let mut inner = Group::new(group.delimiter(), replace(group.stream(), is_ours));
                    inner.set_span(group.span());
                    replaced.extend([TokenTree::Group(inner)]);
                }
                (other, _) => replaced.extend([other]),
            }
        }
        replaced
    }
    let named = |name: &str| generics.lifetimes().any(|param| param.lifetime.ident == name);
    replace(syntax.to_token_stream(), &|name| name == "_" || named(name))
}
