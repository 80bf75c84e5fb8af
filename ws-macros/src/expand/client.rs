//! Code of a typed client: a method for each named method of the handler.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;

use super::{crate_name_ident, scope};
use crate::model::{ClientMethod, ClientModel, ClientParams};

/// Returns the client of a handler. Without the feature `client`, the code is an error.
pub(crate) fn expand_client(self_ty: &Type, model: &ClientModel) -> TokenStream {
    let ClientModel { vis, ident, methods } = model;
    let name = crate_name_ident();
    let methods = methods.iter().map(|method| expand_method(vis, method));
    let handler = quote!(#self_ty).to_string();
    let doc = format!(
        "A client of [`{handler}`]: its calls and messages as methods. \
         It dereferences to `client::Remote`, which has the messages and the end."
    );
    let code = scope(&quote! {
        impl #ident {
            /// Connects to a server, with the default settings. Returns when the connection is open.
            ///
            /// # Errors
            ///
            /// Returns the error of the last attempt.
            #vis async fn connect(
                url: &::core::primitive::str,
            ) -> ::core::result::Result<Self, __ws::ConnectError> {
                Self::connect_with(__ws::Client::new(url), __ws::RemoteAnswers::new()).await
            }

            /// Connects to a server, with settings and with functions for calls of the server.
            ///
            /// # Errors
            ///
            /// Returns the error of the last attempt.
            #vis async fn connect_with(
                client: __ws::Client,
                answers: __ws::RemoteAnswers,
            ) -> ::core::result::Result<Self, __ws::ConnectError> {
                __ws::Remote::connect(client, answers).await.map(Self)
            }

            #(#methods)*
        }

        #[automatically_derived]
        impl ::core::ops::Deref for #ident {
            type Target = __ws::Remote<#self_ty>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }
    });
    quote! {
        ::#name::private::client_only! {
            #[doc = #doc]
            #[derive(::core::clone::Clone, ::core::fmt::Debug)]
            #[allow(private_interfaces)]
            #vis struct #ident(::#name::private::Remote<#self_ty>);

            #[allow(
                dead_code,
                private_interfaces,
                unused_qualifications,
                clippy::missing_errors_doc,
                clippy::needless_pass_by_value,
                clippy::too_many_arguments
            )]
            #code
        }
    }
}

fn expand_method(vis: &syn::Visibility, method: &ClientMethod) -> TokenStream {
    let ClientMethod { attrs, ident, name, params, output } = method;
    // Public items of a crate may need documentation.
    let is_documented = attrs.iter().any(|attr| attr.path().is_ident("doc"));
    let kind = if output.is_some() { "Calls" } else { "Sends a message to" };
    let doc = (!is_documented).then(|| format!("{kind} `{name}`.")).into_iter();
    let attrs = quote!(#(#[doc = #doc])* #(#attrs)*);
    let (arguments, params) = match params {
        ClientParams::All(ty) => {
            let value = quote_spanned!(ident.span()=> &params.0);
            (quote!(params: #ty), quote!(__ws::RemoteParams::all(#value)))
        }
        ClientParams::Each(each) => {
            let arguments = each.iter().map(|(ident, _, ty)| quote!(#ident: #ty));
            let with = each.iter().map(|(ident, name, ty)| {
                let span = syn::spanned::Spanned::span(ty);
                quote_spanned!(span=> .with(#name, &#ident))
            });
            (quote!(#(#arguments),*), quote!(__ws::RemoteParams::new()#(#with)*))
        }
    };
    match output {
        Some((result, error)) => quote! {
            #attrs
            #vis async fn #ident(
                &self,
                #arguments
            ) -> ::core::result::Result<#result, __ws::RemoteCallError<#error>> {
                self.0.call(#name, #params).await
            }
        },
        None => quote! {
            #attrs
            #vis fn #ident(&self, #arguments) -> ::core::result::Result<(), __ws::ClientCallError> {
                self.0.send(#name, #params)
            }
        },
    }
}
