//! Types of the user in places of ours.

use proc_macro2::{Group, Spacing, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::Type;

/// Whether a type names a lifetime, as `&str` and `Command<'_>` do.
pub(super) fn borrows(ty: &Type) -> bool {
    fn any(tokens: TokenStream) -> bool {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '&' => return true,
                TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                    let name = tokens.next().map(|name| name.to_string());
                    if name.as_deref() != Some("static") {
                        return true;
                    }
                }
                TokenTree::Group(group) if any(group.stream()) => return true,
                _ => {}
            }
        }
        false
    }
    any(ty.to_token_stream())
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
