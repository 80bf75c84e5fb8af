//! From event to method.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::model::{Arg, Event, Method, borrows};

/// One arm of `event`: a sync method runs, an async one is told to.
pub(super) fn event_arm(id: usize, method: &Method) -> TokenStream {
    let Method { cfgs, ident, variant, event, is_async, .. } = method;
    let payload = &payload(method);
    let pattern = match event {
        Event::Open => quote!(Open),
        Event::Text => quote!(Text(#payload)),
        Event::Binary => quote!(Binary(#payload)),
        Event::Ping => quote!(Ping(#payload)),
        Event::Pong => quote!(Pong(#payload)),
        Event::Info => quote!(Info(__Info::#variant(#payload))),
        Event::Timer { .. } => quote!(Timer(#id)),
        Event::Error => quote!(Error(#payload)),
        Event::Close => quote!(Close(#payload)),
    };
    let body = if *is_async {
        let keep = keep(method, payload);
        quote!(__ws::Step::Call(__Call::#variant #keep))
    } else {
        let decode = decode(method);
        let args = args(method, matches!(event, Event::Error));
        let reply = reply(method);
        quote! {
            #decode
            let reply = self.#ident(#args);
            __ws::Step::from(#reply)
        }
    };
    quote!(#(#cfgs)* __ws::Event::#pattern => { #body })
}

/// What an async method's call is made of.
fn keep(method: &Method, payload: &Ident) -> Option<TokenStream> {
    let borrowed = method.payload().is_some_and(borrows);
    let kept = match method.event {
        Event::Open | Event::Timer { .. } => return None,
        Event::Close => quote!(::core::clone::Clone::clone(#payload)),
        Event::Error | Event::Info => quote!(#payload),
        _ if method.payload().is_none() => return None,
        Event::Text if borrowed => quote!(__ws::String::from(#payload)),
        _ if borrowed => quote!(__ws::Vec::from(#payload)),
        _ => decoded(method, payload),
    };
    Some(quote!((#kept)))
}

/// One arm of `call`. That the method's future is `Send` is demanded at its name.
pub(super) fn call_arm(method: &Method) -> TokenStream {
    let Method { cfgs, ident, variant, event, .. } = method;
    let payload = &payload(method);
    let takes_payload = method.payload().is_some();
    let borrowed = method.payload().is_some_and(borrows);
    let holds = takes_payload || matches!(event, Event::Close);
    let pattern = holds.then(|| quote!((#payload)));
    let by_reference = matches!(event, Event::Error | Event::Close);
    let decode = (borrowed && !by_reference && !matches!(event, Event::Info)).then(|| {
        let decoder = decoder(method, &quote!(&#payload));
        quote!(let #payload = #decoder?;)
    });
    let args = args(method, by_reference);
    let reply = reply(method);
    let method = quote_spanned! {ident.span()=> async move {
        #decode
        let reply = self.#ident(#args).await;
        #reply
    }};
    let run = quote_spanned!(ident.span()=> __ws::run(#method));
    quote!(#(#cfgs)* __Call::#variant #pattern => #run,)
}

/// `let payload = …`, where it is decoded.
fn decode(method: &Method) -> Option<TokenStream> {
    if !matches!(method.event, Event::Text | Event::Binary | Event::Ping | Event::Pong) {
        return None;
    }
    method.payload()?;
    let payload = payload(method);
    let value = decoded(method, &payload);
    Some(quote!(let #payload = #value;))
}

/// A payload that does not decode ends the event.
fn decoded(method: &Method, payload: &Ident) -> TokenStream {
    let decoder = decoder(method, &quote!(#payload));
    quote! {
        match #decoder {
            ::core::result::Result::Ok(payload) => payload,
            ::core::result::Result::Err(error) => return __ws::Step::failed(error),
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

/// The variable of what the event brings: none that a constant of the user could shadow, and
/// where the method says what it takes.
fn payload(method: &Method) -> Ident {
    let span = method.payload().map_or_else(Span::call_site, Spanned::span);
    Ident::new("payload", Span::mixed_site().located_at(span))
}

/// The arguments, each where its type stands.
fn args(method: &Method, by_reference: bool) -> TokenStream {
    let payload = payload(method);
    let args = method.args.iter().map(|arg| match arg {
        Arg::Context(span) => quote_spanned!(*span=> cx),
        Arg::Payload(ty) if by_reference => quote_spanned!(ty.span()=> &#payload),
        Arg::Payload(_) => quote!(#payload),
    });
    quote!(#(#args),*)
}

/// The conversion of a reply stands where its type does, and so does its error.
fn reply(method: &Method) -> TokenStream {
    match method.event {
        Event::Close => quote!(::core::result::Result::Ok(reply)),
        _ => quote_spanned!(method.output=> __ws::reply(cx, reply)),
    }
}
