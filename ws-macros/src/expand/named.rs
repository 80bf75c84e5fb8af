//! Dispatch by the names of messages and calls.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use super::dispatch::{note_method, state_of};
use super::rewrite::{any_cfg, respan, without_self};
use super::states::{arms, by_state, event_arms, group_condition};
use crate::model::{Arg, Event, HandlerImpl, Method, NamedArg, TextArg, borrows, with_anonymous_lifetimes};

/// Returns the arm of `Handler::event` that opens the envelope.
pub(super) fn text_arm(methods: &[Method]) -> Option<TokenStream> {
    let first = methods.iter().find_map(Method::name)?;
    let [this, cx] = ["self", "cx"].map(|name| Ident::new(name, Span::call_site()));
    let dispatch = quote_spanned!(first.attribute=> __ws::dispatch_text);
    Some(quote!(__ws::Event::Text(text) => #dispatch(#this, text, #cx),))
}

/// Returns the impl of `NamedMethods`, whose functions match on the name, and take texts without an envelope.
pub(super) fn named_impl(
    model: &HandlerImpl,
    (impl_generics, info, call, where_clause): (TokenStream, &TokenStream, &TokenStream, TokenStream),
) -> Option<TokenStream> {
    let HandlerImpl { self_ty, methods, .. } = model;
    let first = methods.iter().find_map(Method::name)?;
    // The only place that needs an envelope. The span makes the error of a handler without one point at the attribute.
    let declared = respan(first.attribute, quote!(type EnvelopedSelf = #self_ty;));
    let arms =
        arms(model, |event| matches!(event, Event::Named(_)), |_, method| named_arm(method), named_group_arm);
    let texts = event_arms(model, |event| matches!(event, Event::Text));
    let [name, params, caller, cx] =
        ["name", "params", "caller", "cx"].map(|name| Ident::new(name, Span::call_site()));
    let text = (!texts.is_empty()).then(|| {
        quote! {
            fn text(
                &mut self,
                text: &::core::primitive::str,
                #cx: &mut __ws::Context<Self>,
            ) -> __ws::EventOutcome<#call> {
                match __ws::Event::<'_, #info>::Text(text) {
                    #(#texts)*
                    _ => __ws::EventOutcome::Unhandled,
                }
            }
        }
    });
    let batch = batch_condition(methods).map(|condition| {
        quote! {
            #condition
            fn batch(rest: __ws::Box<__ws::BatchRest<Self>>) -> #call {
                __Call::__Batch(rest)
            }
        }
    });
    Some(quote! {
        #[allow(unused_imports)]
        use __ws::{AnswerValue as _, UnusableArgument as _};

        #[automatically_derived]
        impl #impl_generics __ws::NamedMethods for #self_ty #where_clause {
            type Envelope = __ws::EnvelopeOf<#self_ty>;
            #declared

            fn named(
                &mut self,
                #name: &::core::primitive::str,
                #params: ::core::option::Option<&__ws::RawValue>,
                #caller: __ws::Caller<__ws::EnvelopeOf<#self_ty>>,
                #cx: &mut __ws::Context<Self>,
            ) -> __ws::EventOutcome<#call> {
                match #name {
                    #(#arms)*
                    _ => __ws::unknown_name(#name, #caller, #cx),
                }
            }

            #text
            #batch
        }
    })
}

/// Returns the `cfg` attribute under which the handler has an async named method, which may be empty; `None` without
/// such a method.
fn batch_condition(methods: &[Method]) -> Option<TokenStream> {
    let named = methods.iter().filter(|method| method.is_async && method.name().is_some());
    named.clone().next()?;
    let any = any_cfg(named.map(|method| &*method.cfgs));
    Some(any.map(|any| quote!(#[cfg(#any)])).unwrap_or_default())
}

/// Returns the variant of `__Call` for the rest of a batch.
pub(super) fn batch_variant(model: &HandlerImpl) -> Option<TokenStream> {
    let self_ty = &model.self_ty;
    batch_condition(&model.methods)
        .map(|condition| quote!(#condition __Batch(__ws::Box<__ws::BatchRest<#self_ty>>)))
}

/// Returns the arm of `Handler::call` for the rest of a batch.
pub(super) fn batch_arm(methods: &[Method]) -> Option<TokenStream> {
    let instance = Ident::new("instance", Span::call_site());
    batch_condition(methods)
        .map(|condition| quote!(#condition __Call::__Batch(rest) => __ws::run_batch(#instance, *rest),))
}

/// Returns the types that the call of an async named method stores: the arguments, or a copy of the parameters that
/// they borrow from, and the caller.
pub(super) fn stored_types(method: &Method, self_ty: &Type) -> TokenStream {
    let caller = quote!(__ws::Caller<__ws::EnvelopeOf<#self_ty>>);
    if stores_params(method) {
        return quote!(::core::option::Option<__ws::Box<__ws::RawValue>>, #caller);
    }
    let types = method.named_args().map(|arg| without_self(arg.ty(), self_ty));
    quote!((#(#types,)*), #caller)
}

/// Returns whether an async method deserializes its arguments when it runs, because they borrow.
fn stores_params(method: &Method) -> bool {
    method.named_args().any(|arg| borrows(arg.ty()))
}

/// Returns the arm of a name: it runs a sync method, or returns the call of an async one.
fn named_arm(method: &Method) -> TokenStream {
    let Some(name) = method.name() else { return TokenStream::new() };
    let (cfgs, text, body) = (&method.cfgs, &name.text, named_body(method));
    quote!(#(#cfgs)* #text => { #body })
}

/// Returns the arm of a name that methods of states have. In a state without such a method, the name is refused.
fn named_group_arm(group: &[(usize, &Method)]) -> TokenStream {
    let Some(name) = group.iter().find_map(|(_, method)| method.name()) else { return TokenStream::new() };
    let [this, caller, cx] = ["self", "caller", "cx"].map(|name| Ident::new(name, Span::call_site()));
    let text = &name.text;
    let refused = quote!(__ws::wrong_state(#this, #text, #caller, #cx));
    let body = by_state(group, named_body, &refused, &refused);
    let condition = group_condition(group);
    quote!(#condition #text => { #body })
}

/// Returns the expression that runs a sync method, or makes the call of an async one.
fn named_body(method: &Method) -> TokenStream {
    let Method { ident, variant, is_async, .. } = method;
    let Some(name) = method.name() else { return TokenStream::new() };
    let (text, is_call) = (&name.text, name.is_call);
    let [params, caller, cx] = ["params", "caller", "cx"].map(|name| Ident::new(name, Span::call_site()));
    let only_message = (!is_call).then(|| {
        quote! {
            if #caller.is_call() {
                return __ws::not_a_call(#text, #caller, #cx);
            }
        }
    });
    let refuse = quote!(return __ws::refuse(error, #caller, #cx));
    let body = if *is_async {
        let stored = if stores_params(method) {
            quote!(#params.map(__ws::copy_params))
        } else {
            let (decode, values) = decode(method, &quote!(#params), &refuse);
            let values = (!values.is_empty()).then(|| quote!((#(#values,)*)));
            quote!({ #decode #values })
        };
        quote!(__ws::EventOutcome::Call(__Call::#variant(#stored, #caller)))
    } else {
        let (decode, _) = decode(method, &quote!(#params), &refuse);
        let this =
            Ident::new(if method.states.state.is_some() { "state" } else { "self" }, Span::call_site());
        let args = args(method, &this);
        let reply = Ident::new("reply", method.output);
        let run = quote_spanned!(ident.span()=> Self::#ident);
        let answered = answer(method, &reply);
        quote! {
            #decode
            let #reply = #run(#args);
            __ws::EventOutcome::from_result(#answered)
        }
    };
    let noted = note_method(method);
    quote!(#only_message #noted #body)
}

/// Returns an arm of `Handler::call` for an async named method.
pub(super) fn named_call_arm(method: &Method) -> TokenStream {
    let Method { cfgs, ident, variant, .. } = method;
    let [instance, params, caller, cx, this] =
        ["instance", "params", "caller", "cx", "this"].map(|name| Ident::new(name, Span::call_site()));
    let (decode, pattern) = if stores_params(method) {
        let refuse = quote!(return __ws::refuse_async(error, #caller, #instance));
        (decode(method, &quote!(#params.as_deref()), &refuse).0, quote!(#params))
    } else {
        let values = values(method);
        (TokenStream::new(), quote!((#(#values,)*)))
    };
    let reply = Ident::new("reply", method.output);
    let of_state = method.states.state.as_ref().map(|ty| {
        let of_handler = state_of(ty, &this);
        let name = method.name().map(|name| &name.text);
        quote! {
            // No other method has run since the event.
            let ::core::option::Option::Some(#this) = #of_handler else {
                return __ws::wrong_state_async(#name, #caller, #instance);
            };
        }
    });
    let args = args(method, &this);
    let answered = answer(method, &reply);
    let future = quote_spanned! {ident.span()=> async move {
        #decode
        let (#this, #cx) = __ws::HandlerInstance::parts(#instance);
        #of_state
        let #reply = Self::#ident(#args).await;
        let result = #answered;
        (#instance, result)
    }};
    let run = quote_spanned!(ident.span()=> __ws::box_method(#future));
    quote!(#(#cfgs)* __Call::#variant(#pattern, #caller) => #run,)
}

/// Returns the variables of the arguments, each with the span of its type.
fn values(method: &Method) -> Vec<Ident> {
    let args = method.named_args().enumerate();
    args.map(|(n, arg)| format_ident!("arg{n}", span = Span::call_site().located_at(arg.ty().span())))
        .collect()
}

/// Returns the statement that deserializes the arguments, and their variables. Each argument has the span of its
/// type, so that a missing impl points there.
fn decode(method: &Method, params: &TokenStream, refuse: &TokenStream) -> (TokenStream, Vec<Ident>) {
    let values = values(method);
    let anonymous = |ty: &Type| with_anonymous_lifetimes(ty, &method.lifetimes);
    if let Some(NamedArg::All(ty)) = method.named_args().next() {
        let tokens = anonymous(ty);
        let decoded = quote_spanned!(ty.span()=> __ws::params::<#tokens>(#params));
        let value = &values[0];
        let decode = quote! {
            let #value = match #decoded {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(error) => #refuse,
            };
        };
        return (decode, values);
    }
    let (mut names, mut slots) = (Vec::new(), Vec::new());
    for arg in method.named_args() {
        if let NamedArg::One(name, ty) = arg {
            let tokens = match arg.text() {
                None => anonymous(ty),
                Some(TextArg::Required) => quote_spanned!(ty.span()=> __ws::TextArgument<'_>),
                Some(TextArg::Optional) => {
                    quote_spanned!(ty.span()=> ::core::option::Option<__ws::TextArgument<'_>>)
                }
            };
            names.push(name);
            slots.push(quote_spanned!(ty.span()=> __ws::ArgumentType::<#tokens>::new().slot()));
        }
    }
    let decode = quote! {
        let (#(#values,)*) = match __ws::arguments(#params, &[#(#names),*], (#(#slots,)*)) {
            ::core::result::Result::Ok(values) => values,
            ::core::result::Result::Err(error) => #refuse,
        };
    };
    (decode, values)
}

/// Returns the receiver and the arguments.
fn args(method: &Method, this: &Ident) -> TokenStream {
    let mut values = values(method).into_iter();
    let args = method.args.iter().map(|arg| match arg {
        Arg::Context(span) => {
            let cx = Ident::new("cx", Span::call_site().located_at(*span));
            quote_spanned!(*span=> (#cx))
        }
        Arg::Named(arg) => {
            let value = values.next();
            match arg.text() {
                None => quote!(#value),
                Some(TextArg::Required) => quote!(&#value),
                Some(TextArg::Optional) => quote!(#value.as_deref()),
            }
        }
        Arg::Payload(_) => TokenStream::new(),
    });
    quote!(#this, #(#args),*)
}

/// Returns the expression that answers a call, or sends the reply of a message. The span of the return type makes a
/// missing impl point there.
fn answer(method: &Method, reply: &Ident) -> TokenStream {
    let [caller, cx] = ["caller", "cx"].map(|name| Ident::new(name, Span::call_site()));
    if method.name().is_some_and(|name| name.is_call) {
        quote_spanned!(method.output=> __ws::Answering(#reply).answer(#caller, #cx))
    } else {
        quote_spanned!(method.output=> __ws::reply(#cx, #reply))
    }
}
