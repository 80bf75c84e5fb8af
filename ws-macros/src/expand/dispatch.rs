//! The match from events to methods.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Type;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use crate::model::{Arg, Event, Method, StoredPayload};

/// Returns an arm of `Handler::event`: it runs a sync method, or returns the call of an async one.
pub(super) fn event_arm(id: usize, method: &Method) -> TokenStream {
    let Method { cfgs, .. } = method;
    let payload = payload(method);
    let (pattern, body) = (event_pattern(id, method, &payload), event_body(method, &payload));
    quote!(#(#cfgs)* __ws::Event::#pattern => { #body })
}

/// Returns the pattern of the event that a method takes.
pub(super) fn event_pattern(id: usize, method: &Method, payload: &Ident) -> TokenStream {
    let Method { variant, event, .. } = method;
    match event {
        Event::Open => quote!(Open),
        Event::Text => quote!(Text(#payload)),
        Event::Binary => quote!(Binary(#payload)),
        Event::Part => quote!(Part(#payload)),
        Event::Ping => quote!(Ping(#payload)),
        Event::Pong => quote!(Pong(#payload)),
        Event::Info => quote!(Info(__Info::#variant(#payload))),
        Event::Lagged => quote!(Lagged(#payload)),
        Event::Drain => quote!(Drain),
        Event::Attach => quote!(Attach),
        Event::Detach => quote!(Detach),
        Event::Timer { .. } => quote!(Timer(#id)),
        Event::Error => quote!(Error(#payload)),
        Event::Close => quote!(Close(#payload)),
        // The envelope dispatches named messages.
        Event::Named(_) => TokenStream::new(),
        Event::Enter => quote!(Enter),
        Event::Leave => quote!(Leave),
    }
}

/// Returns the expression that runs a sync method with the payload of the event, or makes the call of an async
/// one.
pub(super) fn event_body(method: &Method, event_payload: &Ident) -> TokenStream {
    let Method { ident, variant, event, is_async, .. } = method;
    let (payload, value) = (payload(method), value(method));
    // The methods of several states share the payload of one pattern.
    let renamed = (method.states.state.is_some() && method.payload().is_some())
        .then(|| quote!(let #payload = #event_payload;));
    let noted = note_method(method);
    if *is_async {
        let stored = store_payload(method);
        return quote!(#noted #renamed __ws::EventOutcome::Call(__Call::#variant #stored));
    }
    let is_decoded = matches!(event, Event::Text | Event::Binary | Event::Ping | Event::Pong);
    let decode = (is_decoded && method.payload().is_some()).then(|| {
        let decoded = decoded(method);
        quote!(let #payload = #decoded;)
    });
    let this = Ident::new(if method.states.state.is_some() { "state" } else { "self" }, Span::call_site());
    let args = args(method, &this, matches!(event, Event::Error));
    let called = quote_spanned!(ident.span()=> Self::#ident);
    let reply = reply(method);
    quote! {
        #noted
        #renamed
        #decode
        let #value = #called(#args);
        __ws::EventOutcome::from_result(#reply)
    }
}

/// Returns the statement that tells the metrics which method runs.
pub(super) fn note_method(method: &Method) -> TokenStream {
    let name = method.ident.unraw().to_string();
    quote!(__ws::note_method(const { &__ws::CalledMethod::new::<Self>(#name) });)
}

/// Returns the state of a handler as an option of a mutable borrow. A type that is not a state is an error at
/// the type.
pub(super) fn state_of(ty: &Type, this: &Ident) -> TokenStream {
    quote_spanned!(ty.span()=> <Self as __ws::HasState<#ty>>::state_mut(#this))
}

/// Returns the payload that the call of an async method stores.
fn store_payload(method: &Method) -> Option<TokenStream> {
    let payload = payload(method);
    let stored = match (method.stored_payload(), &method.event) {
        (StoredPayload::Nothing, _) => return None,
        (StoredPayload::Reason, _) => quote!(::core::clone::Clone::clone(#payload)),
        (StoredPayload::Text | StoredPayload::Bytes | StoredPayload::Part, _) => {
            quote!(::core::convert::From::from(#payload))
        }
        (StoredPayload::Missed | StoredPayload::Error, _) | (StoredPayload::Value(_), Event::Info) => {
            quote!(#payload)
        }
        (StoredPayload::Value(_), _) => decoded(method),
    };
    Some(quote!((#stored)))
}

/// Returns an arm of `Handler::call`. The future borrows the instance and returns it on completion.
/// The `Send` bound of the future is checked at the name of the method.
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
    let decode = match stored {
        StoredPayload::Part => Some(quote!(let #payload = __ws::PartBuf::part(&#payload);)),
        _ => decode,
    };
    let this = Ident::new("this", Span::call_site());
    let of_state = method.states.state.as_ref().map(|ty| {
        let (of_handler, instance) = (state_of(ty, &this), Ident::new("instance", Span::call_site()));
        quote! {
            // No other method has run since the event.
            let ::core::option::Option::Some(#this) = #of_handler else {
                return (#instance, ::core::result::Result::Ok(()));
            };
        }
    });
    let args = args(method, &this, matches!(stored, StoredPayload::Error | StoredPayload::Reason));
    // Call-site hygiene: the method may come from a `macro_rules!` of the user.
    let [instance, cx] = ["instance", "cx"].map(|name| Ident::new(name, Span::call_site()));
    let reply = reply(method);
    let method = quote_spanned! {ident.span()=> async move {
        #decode
        let (#this, #cx) = __ws::HandlerInstance::parts(#instance);
        #of_state
        let #value = Self::#ident(#args).await;
        let result = #reply;
        (#instance, result)
    }};
    let run = quote_spanned!(ident.span()=> __ws::box_method(#method));
    quote!(#(#cfgs)* __Call::#variant #pattern => #run,)
}

/// Returns an expression that decodes the payload, or returns the decode error from `event`.
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

/// Returns the conversion of a payload. The span of the payload's type makes a missing impl point there.
fn decoder(method: &Method, from: &TokenStream) -> TokenStream {
    let span = method.payload().map_or_else(Span::call_site, Spanned::span);
    match method.event {
        Event::Text => quote_spanned!(span=> __ws::FromText::from_text(#from)),
        _ => quote_spanned!(span=> __ws::FromBinary::from_binary(#from)),
    }
}

/// Returns the receiver and the arguments, each with the span of its type.
fn args(method: &Method, this: &Ident, by_reference: bool) -> TokenStream {
    let payload = payload(method);
    let args = method.args.iter().map(|arg| match arg {
        Arg::Context(span) => {
            // The variable has call-site hygiene; the parentheses have the span of the user's type.
            let cx = Ident::new("cx", Span::call_site().located_at(*span));
            quote_spanned!(*span=> (#cx))
        }
        Arg::Payload(ty) if matches!(method.event, Event::Lagged) => {
            quote_spanned!(ty.span()=> __ws::MissedCount::from_count(#payload))
        }
        Arg::Payload(ty) if matches!(method.event, Event::Part) => {
            quote_spanned!(ty.span()=> __ws::FromPart::from_part(#payload))
        }
        Arg::Payload(ty) if by_reference => quote_spanned!(ty.span()=> &#payload),
        Arg::Payload(_) | Arg::Named(_) => quote!(#payload),
    });
    quote!(#this, #(#args),*)
}

/// Returns the conversion of a reply. The span of the return type makes a missing impl point there.
fn reply(method: &Method) -> TokenStream {
    let (cx, value) = (Ident::new("cx", Span::call_site()), value(method));
    match method.event {
        Event::Close => quote!(::core::result::Result::Ok(#value)),
        _ => quote_spanned!(method.output=> __ws::reply(#cx, #value)),
    }
}

/// Returns the variable of the payload, with the span of its type.
fn payload(method: &Method) -> Ident {
    Ident::new("payload", method.payload().map_or_else(Span::call_site, Spanned::span))
}

/// Returns the variable of the reply, with the span of the return type.
fn value(method: &Method) -> Ident {
    Ident::new("reply", method.output)
}
