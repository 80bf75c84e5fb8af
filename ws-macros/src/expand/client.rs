//! Code of a typed client: a method for each named method of the handler.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Type, Visibility};

use super::{crate_name_ident, scope};
use crate::model::{ClientMethod, ClientModel, ClientParams};

/// Returns the client of a handler. Without the feature `client`, the code is an error.
pub(crate) fn expand_client(self_ty: &Type, model: &ClientModel) -> TokenStream {
    let ClientModel { vis, ident, methods, calls } = model;
    let name = crate_name_ident();
    let methods = methods.iter().map(|method| expand_method(vis, method));
    let handler = quote!(#self_ty).to_string();
    let (calls_trait, answers) = expand_calls(vis, ident, &handler, calls).unzip();
    let doc = format!(
        "A client of [`{handler}`]: its calls and messages as methods. \
         It dereferences to `client::Remote`, which has the messages and the end."
    );
    // The compiler reports a private handler of a public client at the name of the client.
    let target = quote_spanned!(ident.span()=> type Target = __ws::Remote<#self_ty>;);
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

            #answers

            #(#methods)*
        }

        #[automatically_derived]
        impl ::core::ops::Deref for #ident {
            #target

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

            #calls_trait

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

/// Returns the trait of the server's calls, and the function that makes answers of its implementations. `None` if the
/// contract declares no calls.
fn expand_calls(
    vis: &Visibility,
    client: &Ident,
    handler: &str,
    calls: &[(Ident, Type)],
) -> Option<(TokenStream, TokenStream)> {
    if calls.is_empty() {
        return None;
    }
    let name = crate_name_ident();
    let ident = format_ident!("{client}Calls");
    let methods = calls.iter().map(|(method, ty)| {
        let doc = format!("Answers `{}`.", quote!(#ty).to_string().replace(' ', ""));
        quote! {
            #[doc = #doc]
            fn #method(
                &self,
                call: #ty,
            ) -> impl ::core::future::Future<
                Output = ::core::result::Result<
                    <#ty as ::#name::private::Call>::Returns,
                    ::#name::private::CallError,
                >,
            > + ::core::marker::Send;
        }
    });
    let doc = format!(
        "The calls of [`{handler}`] to its client. `async fn` implements the methods, and `{client}::answers` passes \
         calls to them."
    );
    let calls_trait = quote! {
        #[doc = #doc]
        #[allow(dead_code, private_interfaces)]
        #vis trait #ident: ::core::marker::Send + ::core::marker::Sync + 'static {
            #(#methods)*
        }
    };
    let functions = calls.iter().map(|(method, ty)| {
        quote_spanned! {ty.span()=>
            .on({
                let calls = __ws::Arc::clone(&calls);
                move |call: #ty| {
                    let calls = __ws::Arc::clone(&calls);
                    async move { #ident::#method(&*calls, call).await }
                }
            })
        }
    });
    let answers = quote! {
        /// Returns the answers to the calls of the server, for `connect_with`.
        #vis fn answers(calls: impl #ident) -> __ws::RemoteAnswers {
            let calls = __ws::Arc::new(calls);
            __ws::RemoteAnswers::new()#(#functions)*
        }
    };
    Some((calls_trait, answers))
}

fn expand_method(vis: &Visibility, method: &ClientMethod) -> TokenStream {
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
                let span = ty.span();
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
