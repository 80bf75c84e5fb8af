//! What stands in for a handler with mistakes: the user's item as it was, the errors, and impls
//! that keep its uses from failing a second time.

use proc_macro2::TokenStream;
use quote::quote;

use crate::parse::{Block, Declaration};
use crate::report::Report;

pub(crate) fn declaration(item: &TokenStream, declaration: &Declaration, report: Report) -> TokenStream {
    let errors = report.into_errors();
    let ident = &declaration.ident;
    if declaration.generics.lifetimes().next().is_some() {
        return quote!(#item #errors);
    }
    let (impl_generics, type_generics, where_clause) = declaration.generics.split_for_impl();
    quote! {
        #item

        #errors

        #[automatically_derived]
        impl #impl_generics ::ws_core::private::Declared for #ident #type_generics #where_clause {
            const OPTIONS: ::ws_core::private::Options = ::ws_core::private::Options::DEFAULT;
        }

        #[automatically_derived]
        impl #impl_generics ::ws_core::private::Mounted for #ident #type_generics #where_clause {
            const PATH: &'static ::core::primitive::str = "/";
        }
    }
}

pub(crate) fn machine(block: &Block, report: Report) -> TokenStream {
    let errors = report.into_errors();
    if block.of_trait.is_some() || block.generics.lifetimes().next().is_some() {
        return quote!(#block #errors);
    }
    let self_ty = &block.self_ty;
    let (impl_generics, _, where_clause) = block.generics.split_for_impl();
    let (mut any_message, mut any_state) = (block.generics.clone(), block.generics.clone());
    any_message.params.push(syn::parse_quote!(__M));
    any_state.params.push(syn::parse_quote!(__S: ::core::marker::Send + ::core::marker::Sync));
    let (any_message, _, _) = any_message.split_for_impl();
    let (any_state, _, _) = any_state.split_for_impl();
    quote! {
        #block

        #errors

        #[automatically_derived]
        impl #impl_generics ::ws_core::private::Handler for #self_ty #where_clause {
            type Info = ();
            type Call = ();

            fn event(
                &mut self,
                _: ::ws_core::private::Event<'_, Self::Info>,
                _: &mut ::ws_core::private::Context<Self>,
            ) -> ::ws_core::private::Step<Self::Call> {
                ::ws_core::private::Step::Unhandled
            }

            async fn call(
                &mut self,
                (): Self::Call,
                _: &mut ::ws_core::private::Context<Self>,
            ) -> ::core::result::Result<(), ::ws_core::private::HandlerError> {
                ::core::result::Result::Ok(())
            }
        }

        #[automatically_derived]
        impl #any_message ::ws_core::private::OnInfo<__M> for #self_ty #where_clause {
            fn info(_: __M) {}
        }

        #[automatically_derived]
        impl #any_state ::ws_core::private::OnUpgrade<__S> for #self_ty #where_clause {
            async fn upgrade(
                _: &mut ::ws_core::private::Parts,
                _: &__S,
            ) -> ::core::result::Result<::ws_core::private::Upgrade<Self>, ::ws_core::private::Response> {
                ::core::unreachable!()
            }
        }
    }
}
