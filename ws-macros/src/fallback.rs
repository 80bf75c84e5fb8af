//! Expansion of an item with errors: the item unchanged, the errors, and stub impls, so that uses of
//! the item cause no further errors.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::quote;
use syn::{FnArg, GenericParam, Generics, PathArguments, Type};

use crate::errors::Errors;
use crate::expand::{crate_name_ident, scope, state_impls, with_send_static, with_statics};
use crate::model::{context_name, is_punct, share_captured_context, state_variants, with_stream};
use crate::parse::{Block, DeclarationItem, Member};

pub(crate) fn fallback_declaration(declaration: &DeclarationItem, errors: Errors) -> TokenStream {
    let item = &declaration.tokens;
    let errors = errors.into_tokens();
    let (impl_generics, where_clause) = impl_head(&declaration.generics);
    let (_, type_generics, _) = declaration.generics.split_for_impl();
    let (ident, type_generics) = (&declaration.ident, with_statics(type_generics, &declaration.generics));
    // Named methods need some envelope.
    let enveloped = declaration.has_envelope.then(|| {
        quote! {
            #[automatically_derived]
            impl #impl_generics __ws::Enveloped for #ident #type_generics #where_clause {
                type Envelope = __ws::JsonRpc;
                type Sends = __ws::Unchecked;
            }
        }
    });
    let has_lifetimes = declaration.generics.lifetimes().next().is_some();
    let states = (!has_lifetimes)
        .then(|| state_impls(ident, &with_send_static(&declaration.generics), &state_variants(declaration)));
    let code = scope(&quote! {
        #[automatically_derived]
        impl #impl_generics __ws::Declared for #ident #type_generics #where_clause {
            type Protocol = __ws::Unchecked;
            const DECLARATION: __ws::Declaration = __ws::Declaration::DEFAULT;
        }

        #[automatically_derived]
        impl #impl_generics __ws::Mounted for #ident #type_generics #where_clause {}

        #enveloped
        #states
    });
    quote!(#item #errors #code)
}

pub(crate) fn fallback_impl(mut block: Block, errors: Errors) -> TokenStream {
    repair(&mut block);
    let errors = errors.into_tokens();
    if block.of_trait.is_some() {
        return quote!(#block #errors);
    }
    let self_ty = with_statics(&block.self_ty, &block.generics);
    let (impl_generics, where_clause) = impl_head(&block.generics);
    let (of_message, _) = impl_head(&with_param(&block.generics, syn::parse_quote!(__M)));
    let of_state = syn::parse_quote!(__S: ::core::marker::Send + ::core::marker::Sync);
    let (of_state, _) = impl_head(&with_param(&block.generics, of_state));
    let code = scope(&quote! {
        pub struct __Upgrade;

        #[automatically_derived]
        impl #of_message __ws::OnInfo<__M> for #self_ty #where_clause {
            fn info(_: __M) {}
        }

        #[automatically_derived]
        impl #of_state __ws::OnUpgrade<#self_ty, __S> for __Upgrade #where_clause {
            async fn upgrade(
                _: &mut __ws::Parts,
                _: &__S,
            ) -> ::core::result::Result<__ws::Upgrade<#self_ty>, __ws::Response> {
                ::core::unreachable!()
            }
        }

        #[automatically_derived]
        impl #impl_generics __ws::Handler for #self_ty #where_clause {
            const CHECKED_DECLARATION: __ws::Declaration = __ws::Declaration::DEFAULT;
            type Info = ();
            type Call = ::core::convert::Infallible;
            type Upgrade = __Upgrade;

            fn event(
                &mut self,
                _: __ws::Event<'_, ()>,
                _: &mut __ws::Context<Self>,
            ) -> __ws::EventOutcome<::core::convert::Infallible> {
                __ws::EventOutcome::Unhandled
            }
        }
    });
    quote!(#block #errors #code)
}

/// Repairs errors that the compiler would report a second time: adds the missing `<Self>` to `Context`,
/// replaces a context that a task captures, and names what a subscription delivers.
fn repair(block: &mut Block) {
    for member in &mut block.members {
        let Member::Method(method) = member else { continue };
        let crate_name = crate_name_ident();
        share_captured_context(method, &crate_name);
        if let (Some(cx), TokenTree::Group(body)) = (context_name(method), &method.body) {
            method.body = with_stream(body, name_delivered_type(body.stream(), &cx, &crate_name)).into();
        }
        for input in &mut method.sig.inputs {
            if let FnArg::Typed(input) = input
                && let Type::Reference(reference) = &mut *input.ty
                && let Type::Path(path) = &mut *reference.elem
                && let Some(last) = path.path.segments.last_mut()
                && last.ident == "Context"
                && last.arguments.is_none()
            {
                last.arguments = PathArguments::AngleBracketed(syn::parse_quote!(<Self>));
            }
        }
    }
}

/// Completes `cx.subscribe(…)` and `cx.subscribe_from(…)` with the type of the messages. The stub accepts all
/// types, so the compiler could not choose between `Arc<T>` and `Published<T>`.
fn name_delivered_type(tokens: TokenStream, cx: &Ident, crate_name: &Ident) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut completed = TokenStream::new();
    for (at, token) in tokens.iter().enumerate() {
        match (&tokens[..at], token) {
            ([.., TokenTree::Ident(receiver), dot, TokenTree::Ident(method)], TokenTree::Group(_))
                if receiver == cx
                    && is_punct(dot, '.')
                    && (method == "subscribe" || method == "subscribe_from") =>
            {
                completed.extend(quote!(::<_, ::#crate_name::private::Arc<_>> #token));
            }
            (_, TokenTree::Group(group)) => {
                let stream = name_delivered_type(group.stream(), cx, crate_name);
                completed.extend([TokenTree::from(with_stream(group, stream))]);
            }
            (_, other) => completed.extend([other.clone()]),
        }
    }
    completed
}

/// Returns the generics and the where clause of a stub impl. `'static` replaces all lifetimes, because
/// a handler cannot borrow.
fn impl_head(of: &Generics) -> (TokenStream, TokenStream) {
    let mut generics = with_send_static(of);
    let params = std::mem::take(&mut generics.params).into_iter();
    generics.params = params.filter(|param| !matches!(param, GenericParam::Lifetime(_))).collect();
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    (with_statics(impl_generics, of), with_statics(where_clause, of))
}

fn with_param(generics: &Generics, param: GenericParam) -> Generics {
    let mut generics = generics.clone();
    generics.params.push(param);
    generics
}
