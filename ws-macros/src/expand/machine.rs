use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use super::types::{borrows, without_self};
use super::upgrade::upgrade;
use crate::model::{Arg, Event, Machine, Method};
use crate::parse::Block;

/// The block as it was written, and its state machine.
pub(crate) fn machine(block: &Block, model: &Machine) -> TokenStream {
    let names = Names::new(model);
    let infos = info_impls(model, &names);
    let enums = [info_enum(model), call_enum(model)];
    let handler = handler_impl(model, &names);
    let upgrade = upgrade(model);
    quote! {
        #block

        const _: () = {
            #(#enums)*
            #(#infos)*
            #handler
            #upgrade
        };
    }
}

/// The two enums of a handler, with its generics. The user's types are visible where they stand, so
/// their names are none that a user has.
struct Names {
    info: TokenStream,
    call: TokenStream,
}

impl Names {
    fn new(model: &Machine) -> Self {
        let (_, type_generics, _) = model.generics.split_for_impl();
        let never = quote!(::core::convert::Infallible);
        let has_info = model.methods.iter().any(|method| matches!(method.event, Event::Info));
        let has_call = model.methods.iter().any(|method| method.is_async);
        Self {
            info: if has_info { quote!(__Info #type_generics) } else { never.clone() },
            call: if has_call { quote!(__Call #type_generics) } else { never },
        }
    }
}

/// `enum __Info`: what the mailbox takes.
fn info_enum(model: &Machine) -> Option<TokenStream> {
    let variants: Vec<_> = model
        .methods
        .iter()
        .filter(|method| matches!(method.event, Event::Info))
        .map(|method| {
            let Method { cfgs, variant, .. } = method;
            let ty = method.payload().map(|ty| without_self(ty, &model.self_ty));
            quote!(#(#cfgs)* #variant(#ty))
        })
        .collect();
    sum(&format_ident!("__Info"), &variants, model)
}

/// `enum __Call`: which async method is to be run, on what.
fn call_enum(model: &Machine) -> Option<TokenStream> {
    let variants: Vec<_> = model
        .methods
        .iter()
        .filter(|method| method.is_async)
        .map(|method| {
            let Method { cfgs, variant, .. } = method;
            let held = held(method, &model.self_ty).map(|ty| quote!((#ty)));
            quote!(#(#cfgs)* #variant #held)
        })
        .collect();
    sum(&format_ident!("__Call"), &variants, model)
}

fn sum(name: &Ident, variants: &[TokenStream], model: &Machine) -> Option<TokenStream> {
    if variants.is_empty() {
        return None;
    }
    let generics = &model.generics;
    // A bound on `Self` is one on the handler.
    let where_clause = generics.where_clause.as_ref().map(|clause| without_self(clause, &model.self_ty));
    // A parameter that no variant names would be an error.
    let types = generics.type_params().map(|param| &param.ident);
    let unused = (!generics.params.is_empty()).then(
        || quote!(__Unused(::core::convert::Infallible, ::core::marker::PhantomData<fn() -> (#(#types,)*)>),),
    );
    Some(quote! {
        #[allow(dead_code, private_interfaces, clippy::large_enum_variant)]
        pub enum #name #generics #where_clause { #(#variants,)* #unused }
    })
}

/// What a call holds until its method runs. What borrows is held as what it borrows from; in an
/// `async fn` every lifetime is visible.
fn held(method: &Method, self_ty: &Type) -> Option<TokenStream> {
    let ty = method.payload();
    match method.event {
        Event::Open | Event::Timer { .. } => None,
        Event::Error => Some(quote!(::ws_core::private::HandlerError)),
        Event::Close => Some(quote!(::ws_core::private::CloseReason)),
        Event::Text if ty.is_some_and(borrows) => Some(quote!(::ws_core::private::String)),
        Event::Binary | Event::Ping | Event::Pong if ty.is_some_and(borrows) => {
            Some(quote!(::ws_core::private::Vec<::core::primitive::u8>))
        }
        _ => ty.map(|ty| without_self(ty, self_ty)),
    }
}

fn info_impls(model: &Machine, names: &Names) -> Vec<TokenStream> {
    let (impl_generics, _, where_clause) = model.generics.split_for_impl();
    let Machine { self_ty, .. } = model;
    let info = &names.info;
    let infos = model.methods.iter().filter(|method| matches!(method.event, Event::Info));
    infos
        .map(|method| {
            let Method { cfgs, variant, .. } = method;
            let ty = method.payload();
            quote! {
                #(#cfgs)*
                #[automatically_derived]
                impl #impl_generics ::ws_core::private::OnInfo<#ty> for #self_ty #where_clause {
                    fn info(message: #ty) -> #info { __Info::#variant(message) }
                }
            }
        })
        .collect()
}

fn handler_impl(model: &Machine, names: &Names) -> TokenStream {
    let (impl_generics, _, where_clause) = model.generics.split_for_impl();
    let Machine { self_ty, methods, .. } = model;
    let Names { info, call } = names;

    let timers = methods.iter().enumerate().filter_map(|(id, method)| {
        let Event::Timer { delay, repeat } = &method.event else { return None };
        let cfgs = &method.cfgs;
        // An error of the constant stands where the constant does.
        let timer = quote_spanned!(delay.span()=> ::ws_core::private::Timer::new(#id, #delay, #repeat));
        Some(quote!(#(#cfgs)* #timer))
    });
    let timers: Vec<_> = timers.collect();
    let timers = (!timers.is_empty())
        .then(|| quote!(const TIMERS: &'static [::ws_core::private::Timer] = &[#(#timers),*];));
    let is_async = methods.iter().any(|method| method.is_async).then(|| {
        quote!(
            const ASYNC: ::core::primitive::bool = true;
        )
    });
    let on_error = methods.iter().find(|method| matches!(method.event, Event::Error)).map(|method| {
        let cfgs = &method.cfgs;
        quote!(#(#cfgs)* const ON_ERROR: ::core::primitive::bool = true;)
    });

    let arms = methods.iter().enumerate().map(|(id, method)| event_arm(id, method));
    let calls: Vec<_> = methods.iter().filter(|method| method.is_async).map(call_arm).collect();
    let unused = (!model.generics.params.is_empty() && !calls.is_empty())
        .then(|| quote!(__Call::__Unused(never, _) => match never {},));

    quote! {
        #[automatically_derived]
        impl #impl_generics ::ws_core::private::Handler for #self_ty #where_clause {
            type Info = #info;
            type Call = #call;
            #timers
            #is_async
            #on_error

            #[allow(unused_variables, clippy::too_many_lines, clippy::unit_arg, clippy::let_unit_value)]
            fn event(
                &mut self,
                event: ::ws_core::private::Event<'_, Self::Info>,
                cx: &mut ::ws_core::private::Context<Self>,
            ) -> ::ws_core::private::Step<Self::Call> {
                match event {
                    #(#arms)*
                    #[allow(unreachable_patterns)]
                    _ => ::ws_core::private::Step::Unhandled,
                }
            }

            #[allow(unused_variables, clippy::too_many_lines, clippy::unit_arg, clippy::let_unit_value)]
            async fn call(
                &mut self,
                call: Self::Call,
                cx: &mut ::ws_core::private::Context<Self>,
            ) -> ::core::result::Result<(), ::ws_core::private::HandlerError> {
                match call { #(#calls)* #unused }
            }
        }
    }
}

/// One arm of `event`: a sync method runs, an async one is told to.
fn event_arm(id: usize, method: &Method) -> TokenStream {
    let Method { cfgs, ident, variant, event, is_async, output, .. } = method;
    let payload = Ident::new("payload", Span::mixed_site());
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
        let keep = keep(method, &payload);
        quote!(::ws_core::private::Step::Call(__Call::#variant #keep))
    } else {
        let decode = decode(
            method,
            &payload,
            &quote!(#payload),
            |error| quote!(::ws_core::private::Step::Failed(#error)),
        );
        let payload = match event {
            Event::Error => quote!(&#payload),
            _ => quote!(#payload),
        };
        let args = args(method, &payload);
        let reply = reply(event, *output);
        quote! {
            #decode
            let reply = self.#ident(#args);
            ::ws_core::private::Step::from(#reply)
        }
    };
    quote!(#(#cfgs)* ::ws_core::private::Event::#pattern => { #body })
}

/// What an async method's call is made of.
fn keep(method: &Method, payload: &Ident) -> Option<TokenStream> {
    let borrowed = method.payload().is_some_and(borrows);
    let kept = match method.event {
        Event::Open | Event::Timer { .. } => return None,
        Event::Close => quote!(::core::clone::Clone::clone(#payload)),
        Event::Error | Event::Info => quote!(#payload),
        _ if method.payload().is_none() => return None,
        Event::Text if borrowed => quote!(::ws_core::private::String::from(#payload)),
        _ if borrowed => quote!(::ws_core::private::Vec::from(#payload)),
        _ => {
            let decoder = decoder(method, &quote!(#payload));
            quote!(match #decoder {
                ::core::result::Result::Ok(payload) => payload,
                ::core::result::Result::Err(error) => {
                    return ::ws_core::private::Step::Failed(::core::convert::From::from(error));
                }
            })
        }
    };
    Some(quote!((#kept)))
}

/// One arm of `call`.
fn call_arm(method: &Method) -> TokenStream {
    let Method { cfgs, ident, variant, event, output, .. } = method;
    let payload = Ident::new("payload", Span::mixed_site());
    let takes_payload = method.payload().is_some();
    let borrowed = method.payload().is_some_and(borrows);
    let holds = takes_payload || matches!(event, Event::Close);
    let pattern = holds.then(|| quote!((#payload)));
    let by_reference = matches!(event, Event::Error | Event::Close);
    let decode = (borrowed && !by_reference && !matches!(event, Event::Info)).then(|| {
        decode(method, &payload, &quote!(&#payload), |error| quote!(::core::result::Result::Err(#error)))
    });
    let value = if by_reference { quote!(&#payload) } else { quote!(#payload) };
    let args = args(method, &value);
    let reply = reply(event, *output);
    quote! {
        #(#cfgs)*
        __Call::#variant #pattern => {
            #decode
            let reply = self.#ident(#args).await;
            #reply
        }
    }
}

/// `let payload = …`, where it is decoded.
fn decode(
    method: &Method,
    payload: &Ident,
    from: &TokenStream,
    fail: impl FnOnce(TokenStream) -> TokenStream,
) -> Option<TokenStream> {
    if !matches!(method.event, Event::Text | Event::Binary | Event::Ping | Event::Pong) {
        return None;
    }
    method.payload()?;
    let decoder = decoder(method, from);
    let fail = fail(quote!(::core::convert::From::from(error)));
    Some(quote! {
        let #payload = match #decoder {
            ::core::result::Result::Ok(payload) => payload,
            ::core::result::Result::Err(error) => return #fail,
        };
    })
}

/// The conversion stands where the type of the payload does, and so does its error.
fn decoder(method: &Method, from: &TokenStream) -> TokenStream {
    let span = method.payload().map_or_else(Span::call_site, Spanned::span);
    match method.event {
        Event::Text => quote_spanned!(span=> ::ws_core::private::FromText::from_text(#from)),
        _ => quote_spanned!(span=> ::ws_core::private::FromBinary::from_binary(#from)),
    }
}

fn args(method: &Method, payload: &TokenStream) -> TokenStream {
    let args = method.args.iter().map(|arg| match arg {
        Arg::Context => quote!(cx),
        Arg::Payload(_) => payload.clone(),
    });
    quote!(#(#args),*)
}

/// The conversion of a reply stands where its type does, and so does its error.
fn reply(event: &Event, output: Span) -> TokenStream {
    match event {
        Event::Close => quote!(::core::result::Result::Ok(reply)),
        _ => quote_spanned!(output=> ::ws_core::private::reply(cx, reply)),
    }
}
