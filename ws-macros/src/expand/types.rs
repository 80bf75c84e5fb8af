//! Types of the user in places of ours.

use proc_macro2::{Group, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Generics, Type};

/// The generics of a handler. It moves to a task of its own, so its parameters do too; nobody need
/// write that.
pub(crate) fn owned(generics: &Generics) -> Generics {
    let mut owned = generics.clone();
    let params: Vec<_> = generics.type_params().map(|param| param.ident.clone()).collect();
    if !params.is_empty() {
        let predicates = &mut owned.make_where_clause().predicates;
        for ident in params {
            predicates.push(syn::parse_quote!(#ident: ::core::marker::Send + 'static));
        }
    }
    owned
}

/// The same, standing somewhere else.
pub(super) fn at(span: Span, syntax: impl ToTokens) -> TokenStream {
    let tokens = syntax.to_token_stream().into_iter().map(|mut token| {
        if let TokenTree::Group(group) = &token {
            token = TokenTree::Group(Group::new(group.delimiter(), at(span, group.stream())));
        }
        token.set_span(token.span().located_at(span));
        token
    });
    tokens.collect()
}

/// A type, or a where clause, as it reads outside of the `impl`, where there is no `Self`.
pub(super) fn without_self(syntax: impl ToTokens, self_ty: &Type) -> TokenStream {
    fn replace(tokens: TokenStream, self_ty: &Type) -> TokenStream {
        let mut tokens = tokens.into_iter().peekable();
        let mut replaced = TokenStream::new();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(ident) if ident == "Self" => {
                    // `Self::LEN` is `<Handler<3>>::LEN`.
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

/// A type, or what is said of one, with `'static` for every lifetime.
pub(crate) fn with_statics(syntax: impl ToTokens) -> TokenStream {
    fn replace(tokens: TokenStream) -> TokenStream {
        let mut tokens = tokens.into_iter();
        let mut replaced = TokenStream::new();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                    replaced.extend(quote!('static));
                    tokens.next();
                }
                TokenTree::Group(group) => {
                    replaced
                        .extend([TokenTree::Group(Group::new(group.delimiter(), replace(group.stream())))]);
                }
                other => replaced.extend([other]),
            }
        }
        replaced
    }
    replace(syntax.to_token_stream())
}
