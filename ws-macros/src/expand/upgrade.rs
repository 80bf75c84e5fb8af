use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::rewrite::{any_cfg, with_send_static, without_self};
use crate::model::{HandlerImpl, Upgrade, is_state};

/// Returns `Handler::Upgrade`, the type that makes the handler from a request.
pub(super) fn upgrade_type(model: &HandlerImpl) -> TokenStream {
    let by_default = quote!(
        type Upgrade = __ws::DefaultUpgrade;
    );
    let by_upgrade = quote!(
        type Upgrade = __Upgrade;
    );
    match any_cfg(model.upgrades.iter().map(|upgrade| &*upgrade.cfgs)) {
        None if model.upgrades.is_empty() => by_default,
        None => by_upgrade,
        Some(any) => quote!(#[cfg(#any)] #by_upgrade #[cfg(not(#any))] #by_default),
    }
}

/// Returns `__Upgrade`, which runs the extractors in order and then `#[on_upgrade]`.
pub(super) fn expand_upgrade(model: &HandlerImpl, upgrade: &Upgrade) -> TokenStream {
    let Upgrade { cfgs, ident, is_async, args, paths, output, .. } = upgrade;
    let self_ty = &model.self_ty;
    let bounds = args.iter().map(|ty| {
        if is_state(ty) {
            quote_spanned!(ty.span()=> __ws::StateExtractor<__S>)
        } else {
            quote_spanned!(ty.span()=> __ws::Extractor<__S>)
        }
    });
    let bounds: Vec<_> = bounds.collect();
    let args: Vec<_> = args.iter().map(|ty| (ty.span(), without_self(ty, self_ty))).collect();

    let mut generics = with_send_static(&model.generics);
    generics.params.push(syn::parse_quote!(__S: ::core::marker::Send + ::core::marker::Sync));
    let predicates = &mut generics.make_where_clause().predicates;
    for ((span, ty), bound) in args.iter().zip(&bounds) {
        // The span makes a missing `Extractor` impl point at the argument.
        predicates.push(syn::parse_quote_spanned!(*span=> #ty: #bound));
    }
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let where_clause = where_clause.map(|clause| without_self(clause, self_ty));

    let [parts, state] = ["parts", "state"].map(|name| Ident::new(name, Span::call_site()));
    let made = Ident::new("made", *output);
    let names: Vec<_> = (0..args.len()).map(|n| format_ident!("arg{n}", span = Span::call_site())).collect();
    let extracts = args.iter().zip(&names).map(|((span, ty), name)| {
        quote_spanned!(*span=> let #name = <#ty as __ws::Extractor<__S>>::extract(#parts, #state).await?;)
    });
    // axum's `Path` has the same name, and an import of it shadows ours silently.
    let checks = paths.iter().map(|ty| {
        let (span, ty) = (ty.span(), without_self(ty, self_ty));
        quote_spanned!(span=> __ws::check_path::<#ty>();)
    });
    let awaited = is_async.then(|| quote!(.await));
    let into = quote_spanned!(*output=> __ws::IntoUpgrade::<#self_ty>::into_upgrade(#made));
    // The span makes a future that is not `Send` point at its method.
    let signature = quote_spanned! {ident.span()=>
        async fn upgrade(
            #parts: &mut __ws::Parts,
            #state: &__S,
        ) -> ::core::result::Result<__ws::Upgrade<#self_ty>, __ws::Response>
    };
    quote! {
        #(#cfgs)*
        pub struct __Upgrade;

        #(#cfgs)*
        #[automatically_derived]
        impl #impl_generics __ws::OnUpgrade<#self_ty, __S> for __Upgrade #where_clause {
            #signature {
                #(#checks)*
                #(#extracts)*
                let #made = <#self_ty>::#ident(#(#names),*) #awaited;
                #into
            }
        }
    }
}
