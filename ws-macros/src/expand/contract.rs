//! The function that describes a handler for its contract.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use crate::model::{Contract, Event, HandlerImpl, Method, NamedArg, TextArg, text, with_anonymous_lifetimes};

/// Returns `Handler::describe`, if the `impl` has the option `contract`.
pub(super) fn describe_fn(model: &HandlerImpl) -> Option<TokenStream> {
    let Contract { span, version, docs, calls, sends, closes } = model.contract.as_ref()?;
    let to = Ident::new("to", Span::call_site());
    let begin = quote_spanned!(*span=> __ws::contract::begin::<<Self as __ws::Declared>::Protocol>);
    let extractors = model.upgrades.iter().flat_map(|upgrade| {
        let cfgs = &upgrade.cfgs;
        upgrade.args.iter().map(|ty| {
            let extractor =
                quote_spanned!(ty.span()=> __ws::contract::ExtractorOf::<#ty>::new().describe(#to));
            quote!(#(#cfgs)* #extractor;)
        })
    });
    let methods = model.methods.iter().filter_map(|method| describe_method(method, &to));
    let calls = calls.iter().map(|ty| quote_spanned!(ty.span()=> __ws::contract::client_call::<#ty>(#to);));
    let sends = sends.iter().map(|ty| {
        let sent = sent();
        quote_spanned! {ty.span()=>
            __ws::contract::reply::<#ty, #sent>(#to, __ws::contract::MethodText::new("message", "", &[]));
        }
    });
    let closes = closes.iter().map(|(code, reason)| quote!(__ws::contract::close(#to, #code, #reason);));
    let states = states(model, &to);
    // The span makes the error of a build without the feature point at the option.
    let emit = quote_spanned!(*span=> __ws::contract_items!);
    Some(quote! {
        #emit {
            fn describe(#to: &mut __ws::contract::Description) {
                #[allow(unused_imports)]
                use __ws::contract::{NoErrors as _, OtherExtractor as _, PlainAnswer as _};
                #begin(#to, #version, #docs);
                #(#extractors)*
                #(#methods)*
                #(#calls)*
                #(#sends)*
                #(#closes)*
                #states
            }
        }
    })
}

/// Returns the type of what the handler sends.
fn sent() -> TokenStream {
    quote!(<<Self as __ws::Declared>::Protocol as __ws::MessageProtocol>::Sends)
}

/// Returns a type without the lifetimes of the method, for the body of a function.
fn anonymous(ty: &Type, method: &Method) -> TokenStream {
    with_anonymous_lifetimes(ty, &method.lifetimes)
}

/// Returns the statements that describe what a method takes and returns.
fn describe_method(method: &Method, to: &Ident) -> Option<TokenStream> {
    let cfgs = &method.cfgs;
    let documentation = &method.contract.docs;
    let name = method_name(method);
    let states = method.states.state.iter().map(state_name);
    let described = quote!(__ws::contract::MethodText::new(#name, #documentation, &[#(#states),*]));
    let method_text = Ident::new("method", Span::call_site());
    let output = method.contract.output.as_ref();
    let reply = output.map(|ty| {
        let (span, ty, sent) = (ty.span(), anonymous(ty, method), sent());
        quote_spanned!(span=> __ws::contract::reply::<#ty, #sent>(#to, #method_text);)
    });
    let payload = method.payload().map(|ty| (ty.span(), anonymous(ty, method)));
    let body = match &method.event {
        Event::Named(name) => {
            let content = content(method, to);
            if name.is_call {
                let unit = quote!(());
                let (span, ty) =
                    output.map_or((method.output, unit), |ty| (ty.span(), anonymous(ty, method)));
                let result = quote_spanned!(span=> __ws::contract::AnswerOf::<#ty>::new().answer(#to));
                let errors = quote_spanned!(span=> __ws::contract::ErrorsOf::<#ty>::new().errors(#to));
                quote! {
                    let content = #content;
                    let result = #result;
                    let errors = #errors;
                    __ws::contract::call(#to, #method_text, content, result, errors);
                }
            } else {
                quote!(let content = #content; __ws::contract::message(#to, #method_text, content); #reply)
            }
        }
        Event::Text => {
            let described =
                payload.map(|(span, ty)| quote_spanned!(span=> __ws::contract::text_payload::<#ty>));
            let described = described.unwrap_or_else(|| quote!(__ws::contract::text_payload::<__ws::String>));
            quote!(#described(#to, #method_text); #reply)
        }
        Event::Binary => {
            let bytes = quote!(__ws::contract::binary_payload::<__ws::Vec<::core::primitive::u8>>);
            let described =
                payload.map(|(span, ty)| quote_spanned!(span=> __ws::contract::binary_payload::<#ty>));
            let described = described.unwrap_or(bytes);
            quote!(#described(#to, #method_text); #reply)
        }
        Event::Part => quote!(__ws::contract::parts(#to, #method_text); #reply),
        Event::Close => return None,
        _ => quote!(#reply),
    };
    (!body.is_empty()).then(|| quote!(#(#cfgs)* { let #method_text = #described; #body }))
}

/// Returns the expression of the content of a call or message.
fn content(method: &Method, to: &Ident) -> TokenStream {
    let mut list = quote!(__ws::contract::ArgumentList::new(#to));
    for arg in method.named_args() {
        match arg {
            NamedArg::All(ty) => {
                let (span, ty) = (ty.span(), anonymous(ty, method));
                return quote_spanned!(span=> __ws::contract::all_params::<#ty>(#to));
            }
            NamedArg::One(name, ty) => {
                let span = ty.span();
                let ty = match arg.text() {
                    None => anonymous(ty, method),
                    Some(TextArg::Required) => quote!(__ws::String),
                    Some(TextArg::Optional) => quote!(::core::option::Option<__ws::String>),
                };
                let one = quote_spanned!(span=> one::<#ty>);
                list = quote!(#list.#one(#name));
            }
        }
    }
    quote!(#list.content())
}

/// Returns the statement that describes the states.
fn states(model: &HandlerImpl, to: &Ident) -> Option<TokenStream> {
    model.methods.iter().flat_map(|method| method.states.types()).next()?;
    let initial = model.upgrades.iter().map(|upgrade| state_name(&upgrade.created));
    let transitions = model.methods.iter().flat_map(|method| {
        let from = method.states.state.as_ref().map(state_name).unwrap_or_default();
        let event = method.event.name();
        let name = method_name(method);
        method.states.targets.iter().map(move |target| {
            let target = state_name(target);
            quote!((#from, #target, #event, #name))
        })
    });
    Some(quote! {
        __ws::contract::states(
            #to,
            <Self as __ws::Handler>::STATES,
            &[#(#initial),*],
            &[#(#transitions),*],
        );
    })
}

/// Returns the name in the envelope, or that of the method.
fn method_name(method: &Method) -> String {
    let ident = || method.ident.to_string().trim_start_matches("r#").to_owned();
    method.name().map_or_else(ident, |name| name.text.clone())
}

/// Returns the name of a state: its type as it is written, without spaces.
fn state_name(ty: &Type) -> String {
    text(ty).replace(' ', "")
}
