//! From event to method.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::model::{Arg, Event, StoredPayload, Method};

/// One arm of `event`: a sync method runs, an async one is told to.
pub(super) fn event_arm(id: usize, method: &Method) -> TokenStream {
    let Method { cfgs, ident, variant, event, is_async, .. } = method;
    let (payload, value) = (payload(method), value(method));
    let pattern = match event {
        Event::Open => quote!(Open),
        Event::Text => quote!(Text(#payload)),
        Event::Binary => quote!(Binary(#payload)),
        Event::Ping => quote!(Ping(#payload)),
        Event::Pong => quote!(Pong(#payload)),
        Event::Info => quote!(Info(__Info::#variant(#payload))),
        Event::Lagged => quote!(Lagged(#payload)),
        Event::Timer { .. } => quote!(Timer(#id)),
        Event::Error => quote!(Error(#payload)),
        Event::Close => quote!(Close(#payload)),
    };
    let body = if *is_async {
        let stored = store_payload(method);
        quote!(__ws::EventOutcome::Call(__Call::#variant #stored))
    } else {
        let is_decoded = matches!(event, Event::Text | Event::Binary | Event::Ping | Event::Pong);
        let decode = (is_decoded && method.payload().is_some()).then(|| {
            let decoded = decoded(method);
            quote!(let #payload = #decoded;)
        });
        let this = Ident::new("self", Span::call_site());
        let args = args(method, &this, matches!(event, Event::Error));
        let called = quote_spanned!(ident.span()=> Self::#ident);
        let reply = reply(method);
        quote! {
            #decode
            let #value = #called(#args);
            __ws::EventOutcome::from_result(#reply)
        }
    };
    quote!(#(#cfgs)* __ws::Event::#pattern => { #body })
}

/// What an async method's call is made of.
fn store_payload(method: &Method) -> Option<TokenStream> {
    let payload = payload(method);
    let stored = match (method.stored_payload(), &method.event) {
        (StoredPayload::Nothing, _) => return None,
        (StoredPayload::Reason, _) => quote!(::core::clone::Clone::clone(#payload)),
        (StoredPayload::Text | StoredPayload::Bytes, _) => quote!(::core::convert::From::from(#payload)),
        (StoredPayload::Missed | StoredPayload::Error, _) | (StoredPayload::Value(_), Event::Info) => quote!(#payload),
        (StoredPayload::Value(_), _) => decoded(method),
    };
    Some(quote!((#stored)))
}

/// One arm of `call`. The method has the seat while it runs, and gives it back. That its future is
/// `Send` is demanded at its name.
pub(super) fn call_arm(method: &Method) -> TokenStream {
    let Method { cfgs, ident, variant, .. } = method;
    let (payload, value) = (payload(method), value(method));
    let stored = method.stored_payload();
    let pattern = (!matches!(stored, StoredPayload::Nothing)).then(|| quote!((#payload)));
    let decode = matches!(stored, StoredPayload::Text | StoredPayload::Bytes).then(|| {
        let decoder = decoder(method, &quote!(&#payload));
        quote! {
            let #payload = match #decoder {
                ::core::result::Result::Ok(payload) => payload,
                ::core::result::Result::Err(error) => return __ws::decode_failed(instance, error),
            };
        }
    });
    let this = Ident::new("this", Span::call_site());
    let args = args(method, &this, matches!(stored, StoredPayload::Error | StoredPayload::Reason));
    // The variables are ours, wherever the name of the method comes from.
    let [instance, cx] = ["instance", "cx"].map(|name| Ident::new(name, Span::call_site()));
    let reply = reply(method);
    let method = quote_spanned! {ident.span()=> async move {
        #decode
        let (#this, #cx) = __ws::HandlerInstance::parts(#instance);
        let #value = Self::#ident(#args).await;
        let result = #reply;
        (#instance, result)
    }};
    let run = quote_spanned!(ident.span()=> __ws::box_method(#method));
    quote!(#(#cfgs)* __Call::#variant #pattern => #run,)
}

/// A payload, or the end of the event if it does not decode.
fn decoded(method: &Method) -> TokenStream {
    let payload = payload(method);
    let decoder = decoder(method, &quote!(#payload));
    quote! {
        match #decoder {
            ::core::result::Result::Ok(payload) => payload,
            ::core::result::Result::Err(error) => return __ws::EventOutcome::failed(error),
        }
    }
}

/// The conversion stands where the type of the payload does, and so does its error.
fn decoder(method: &Method, from: &TokenStream) -> TokenStream {
    let span = method.payload().map_or_else(Span::call_site, Spanned::span);
    match method.event {
        Event::Text => quote_spanned!(span=> __ws::FromText::from_text(#from)),
        _ => quote_spanned!(span=> __ws::FromBinary::from_binary(#from)),
    }
}

/// The handler and the arguments, each where its type stands.
fn args(method: &Method, this: &Ident, by_reference: bool) -> TokenStream {
    let payload = payload(method);
    let args = method.args.iter().map(|arg| match arg {
        Arg::Context(span) => {
            // The variable is ours, the parentheses stand where the user's type does.
            let cx = Ident::new("cx", Span::call_site().located_at(*span));
            quote_spanned!(*span=> (#cx))
        }
        Arg::Payload(ty) if matches!(method.event, Event::Lagged) => {
            quote_spanned!(ty.span()=> __ws::MissedCount::from_count(#payload))
        }
        Arg::Payload(ty) if by_reference => quote_spanned!(ty.span()=> &#payload),
        Arg::Payload(_) => quote!(#payload),
    });
    quote!(#this, #(#args),*)
}

/// The conversion of a reply stands where its type does, and so does its error.
fn reply(method: &Method) -> TokenStream {
    let (cx, value) = (Ident::new("cx", Span::call_site()), value(method));
    match method.event {
        Event::Close => quote!(::core::result::Result::Ok(#value)),
        _ => quote_spanned!(method.output=> __ws::reply(#cx, #value)),
    }
}

/// The variable of what the event brings, at its type.
fn payload(method: &Method) -> Ident {
    Ident::new("payload", method.payload().map_or_else(Span::call_site, Spanned::span))
}

/// The variable of what the method returns, at its type.
fn value(method: &Method) -> Ident {
    Ident::new("reply", method.output)
}
