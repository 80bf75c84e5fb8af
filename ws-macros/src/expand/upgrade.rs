use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::types::{owned, without_self};
use crate::model::{Machine, Upgrade};

/// What `Handler::Upgrade` is: how the handler comes to be from a request.
pub(super) fn upgrade_type(model: &Machine) -> TokenStream {
    let by_default = quote!(
        type Upgrade = __ws::ByDefault;
    );
    let Some(Upgrade { cfgs, .. }) = &model.upgrade else { return by_default };
    let conditions = cfgs.iter().filter_map(|cfg| cfg.meta.require_list().ok()).map(|list| &list.tokens);
    let otherwise = (!cfgs.is_empty()).then(|| quote!(#[cfg(not(all(#(#conditions),*)))] #by_default));
    quote! {
        #(#cfgs)*
        type Upgrade = __Upgrade;
        #otherwise
    }
}

/// `__Upgrade`: the extractors in order, then `#[on_upgrade]`.
pub(super) fn upgrade(model: &Machine) -> Option<TokenStream> {
    let Upgrade { cfgs, ident, is_async, args, output } = model.upgrade.as_ref()?;
    let self_ty = &model.self_ty;
    let args: Vec<_> = args.iter().map(|ty| (ty.span(), without_self(ty, self_ty))).collect();

    let mut generics = owned(&model.generics);
    generics.params.push(syn::parse_quote!(__S: ::core::marker::Send + ::core::marker::Sync));
    let predicates = &mut generics.make_where_clause().predicates;
    for (span, ty) in &args {
        // An argument that is no extractor is pointed at.
        predicates.push(syn::parse_quote_spanned!(*span=> #ty: __ws::Extractor<__S>));
    }
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let where_clause = where_clause.map(|clause| without_self(clause, self_ty));

    let names: Vec<_> = (0..args.len()).map(|n| format_ident!("arg{n}", span = Span::mixed_site())).collect();
    let extracts = args.iter().zip(&names).map(|((span, ty), name)| {
        quote_spanned!(*span=> let #name = <#ty as __ws::Extractor<__S>>::extract(parts, state).await?;)
    });
    let made = quote!(<#self_ty>::#ident(#(#names),*));
    let awaited = is_async.then(|| quote!(.await));
    let into = quote_spanned!(*output=> __ws::IntoUpgrade::<#self_ty>::into_upgrade(made));
    // A future that is not `Send` is pointed at where its method stands.
    let signature = quote_spanned! {ident.span()=>
        async fn upgrade(
            parts: &mut __ws::Parts,
            state: &__S,
        ) -> ::core::result::Result<__ws::Upgrade<#self_ty>, __ws::Response>
    };
    Some(quote! {
        #(#cfgs)*
        pub struct __Upgrade;

        #(#cfgs)*
        #[automatically_derived]
        impl #impl_generics __ws::OnUpgrade<#self_ty, __S> for __Upgrade #where_clause {
            #signature {
                #(#extracts)*
                let made = #made #awaited;
                #into
            }
        }
    })
}
