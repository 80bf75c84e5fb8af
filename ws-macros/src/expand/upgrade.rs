use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use crate::model::{Machine, Upgrade};

/// How the handler comes to be from a request.
pub(super) fn upgrade(model: &Machine) -> TokenStream {
    let Machine { self_ty, generics, .. } = model;
    let mut generics = generics.clone();
    generics.params.push(syn::parse_quote!(__S: ::core::marker::Send + ::core::marker::Sync));
    let predicates = &mut generics.make_where_clause().predicates;
    let body = if let Some(Upgrade { ident, is_async, args, output, .. }) = &model.upgrade {
        for ty in args {
            let span = ty.span();
            predicates.push(syn::parse_quote_spanned!(span=> #ty: ::ws_core::private::FromRequestParts<__S>));
        }
        let names: Vec<_> =
            (0..args.len()).map(|n| format_ident!("arg{n}", span = Span::mixed_site())).collect();
        let awaited = is_async.then(|| quote!(.await));
        let into = quote_spanned!(*output=> ::ws_core::private::IntoUpgrade::into_upgrade(made));
        quote! {
            #(let #names = ::ws_core::private::extract::<#args, __S>(parts, state).await?;)*
            let made = Self::#ident(#(#names),*)#awaited;
            #into
        }
    } else {
        let span = self_ty.span();
        predicates.push(syn::parse_quote_spanned!(span=> #self_ty: ::ws_core::private::WithoutUpgrade<__S>));
        quote! {
            ::core::result::Result::Ok(::ws_core::private::Upgrade::new(
                ::ws_core::private::WithoutUpgrade::<__S>::new(),
            ))
        }
    };
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let cfgs = model.upgrade.as_ref().map(|upgrade| &upgrade.cfgs).into_iter().flatten();
    quote! {
        #(#cfgs)*
        #[automatically_derived]
        impl #impl_generics ::ws_core::private::OnUpgrade<__S> for #self_ty #where_clause {
            #[allow(unused_variables)]
            async fn upgrade(
                parts: &mut ::ws_core::private::Parts,
                state: &__S,
            ) -> ::core::result::Result<::ws_core::private::Upgrade<Self>, ::ws_core::private::Response> {
                #body
            }
        }
    }
}
