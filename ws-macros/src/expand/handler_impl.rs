use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Generics, Type};

use super::contract::describe_fn;
use super::diagram::diagram;
use super::dispatch::call_arm;
use super::named::{batch_arm, batch_variant, named_call_arm, named_impl, stored_types, text_arm};
use super::rewrite::{any_cfg, respan, with_send_static, without_self};
use super::scope;
use super::states::{StateItems, event_arms, info_condition, state_items};
use super::upgrade::{expand_upgrade, upgrade_type};
use crate::model::{Event, ExclusivePair, HandlerImpl, Method, PathUse, StoredPayload};
use crate::parse::Block;

/// Returns the `impl` block unchanged, followed by its state machine.
pub(crate) fn expand_impl(block: &Block, model: &HandlerImpl) -> TokenStream {
    let generics = with_send_static(&model.generics);
    let enums = [info_enum(model, &generics), call_enum(model, &generics)];
    let infos = info_impls(model, &generics);
    let upgrades = model.upgrades.iter().map(|upgrade| expand_upgrade(model, upgrade));
    let exclusive = model.exclusive.iter().map(|ExclusivePair { cfgs, span, text }| {
        let condition = any_cfg(std::iter::once(&**cfgs)).map(|any| quote!(#[cfg(#any)]));
        quote_spanned!(*span=> #condition ::core::compile_error!(#text);)
    });
    let states = state_items(model, &generics);
    let free = states.as_ref().map(|states| &states.free);
    let handler = handler_impl(model, &generics, states.as_ref());
    let only = only_impl(model, &generics);
    let diagram = diagram(model);
    let code = scope(&quote! {
        #only
        #free
        #(#enums)*
        #(#infos)*
        #(#exclusive)*
        #(#upgrades)*
        #handler
    });
    quote! {
        #diagram
        #block

        #[allow(
            dead_code,
            private_interfaces,
            deprecated,
            unit_bindings,
            unreachable_patterns,
            unused_parens,
            unused_qualifications,
            unused_variables,
            clippy::large_enum_variant,
            clippy::let_unit_value,
            clippy::too_many_lines,
            clippy::unit_arg
        )]
        #code
    }
}

/// Returns a constant that a second `#[websocket] impl` of the type would define again. The compiler reports
/// the constant's name, so that name is the advice.
fn only_impl(model: &HandlerImpl, generics: &Generics) -> TokenStream {
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let self_ty = &model.self_ty;
    quote! {
        #[automatically_derived]
        impl #impl_generics #self_ty #where_clause {
            const A_HANDLER_HAS_ONE_WEBSOCKET_IMPL__MOVE_THE_METHODS_INTO_IT: () = ();
        }
    }
}

/// Returns `enum __Info`, the type of the mailbox's messages. The enum shares a scope with the
/// user's types, so its name starts with two underscores.
fn info_enum(model: &HandlerImpl, generics: &Generics) -> Option<TokenStream> {
    let infos = model.methods.iter().filter(|method| matches!(method.event, Event::Info));
    let variants = infos.filter(|method| !method.states.follows).map(|method| {
        let (variant, condition) = (&method.variant, info_condition(model, method));
        let ty = method.payload().map(|ty| without_self(ty, &model.self_ty));
        quote!(#condition #variant(#ty))
    });
    enum_def(&format_ident!("__Info"), &variants.collect::<Vec<_>>(), model, generics)
}

/// Returns `enum __Call`: a variant for each async method, with its payload.
fn call_enum(model: &HandlerImpl, generics: &Generics) -> Option<TokenStream> {
    let variants = model.methods.iter().filter(|method| method.is_async).map(|method| {
        let Method { cfgs, variant, .. } = method;
        let stored = match method.name() {
            Some(_) => Some(stored_types(method, &model.self_ty)),
            None => stored_type(method, &model.self_ty),
        };
        let stored = stored.map(|types| quote!((#types)));
        quote!(#(#cfgs)* #variant #stored)
    });
    let variants: Vec<_> = variants.chain(batch_variant(model)).collect();
    enum_def(&format_ident!("__Call"), &variants, model, generics)
}

fn enum_def(
    name: &Ident,
    variants: &[TokenStream],
    model: &HandlerImpl,
    generics: &Generics,
) -> Option<TokenStream> {
    if variants.is_empty() {
        return None;
    }
    // Outside of the `impl`, the handler replaces `Self` in bounds.
    let where_clause = generics.where_clause.as_ref().map(|clause| without_self(clause, &model.self_ty));
    // The compiler rejects a type parameter that no variant uses.
    let types = generics.type_params().map(|param| &param.ident);
    let unused = (!generics.params.is_empty()).then(
        || quote!(__Unused(::core::convert::Infallible, ::core::marker::PhantomData<fn() -> (#(::core::marker::PhantomData<#types>,)*)>),),
    );
    Some(quote! {
        pub enum #name #generics #where_clause { #(#variants,)* #unused }
    })
}

/// Returns the type that a call stores until its method runs.
fn stored_type(method: &Method, self_ty: &Type) -> Option<TokenStream> {
    Some(match method.stored_payload() {
        StoredPayload::Nothing => return None,
        StoredPayload::Value(ty) => without_self(ty, self_ty),
        StoredPayload::Text => quote!(__ws::String),
        StoredPayload::Bytes => quote!(__ws::Vec<::core::primitive::u8>),
        StoredPayload::Part => quote!(__ws::PartBuf<'static>),
        StoredPayload::Missed => quote!(::core::primitive::u64),
        StoredPayload::Error => quote!(__ws::HandlerError),
        StoredPayload::Reason => quote!(__ws::CloseReason),
    })
}

fn info_impls(model: &HandlerImpl, generics: &Generics) -> Vec<TokenStream> {
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let HandlerImpl { self_ty, .. } = model;
    let infos = model.methods.iter().filter(|method| matches!(method.event, Event::Info));
    let infos = infos.filter(|method| !method.is_left_out && !method.states.follows);
    let impls = infos.map(|method| {
        let (variant, condition) = (&method.variant, info_condition(model, method));
        let ty = method.payload();
        // Two aliases of one type give two overlapping impls; the compiler points at both.
        respan(
            ty.span(),
            quote! {
                #condition
                #[automatically_derived]
                impl #impl_generics __ws::OnInfo<#ty> for #self_ty #where_clause {
                    fn info(message: #ty) -> __Info #type_generics {
                        __Info::#variant(message)
                    }
                }
            },
        )
    });
    impls.collect()
}

fn handler_impl(model: &HandlerImpl, generics: &Generics, states: Option<&StateItems>) -> TokenStream {
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let HandlerImpl { self_ty, methods, .. } = model;
    let is_async = methods.iter().any(|method| method.is_async);
    let has_info = methods.iter().any(|method| matches!(method.event, Event::Info));

    let never = quote!(::core::convert::Infallible);
    let info = if has_info { quote!(__Info #type_generics) } else { never.clone() };
    let call = if is_async { quote!(__Call #type_generics) } else { never };
    // If only one type can be the one that is not `Send`, the error points at it.
    let only = |mut types: Vec<&Type>| match (types.pop(), types.pop()) {
        (Some(only), None) => only.span(),
        _ => self_ty.span(),
    };
    let messages =
        methods.iter().filter(|method| matches!(method.event, Event::Info) && !method.states.follows);
    let info_type = respan(only(messages.filter_map(Method::payload).collect()), quote!(type Info = #info;));
    let upgrade = upgrade_type(model);
    let timers = timers(methods);
    let on_error =
        bool_const("ON_ERROR", methods.iter().filter(|method| matches!(method.event, Event::Error)));
    let on_drain =
        bool_const("ON_DRAIN", methods.iter().filter(|method| matches!(method.event, Event::Drain)));
    let named_const =
        bool_const("NAMED", methods.iter().filter(|method| matches!(method.event, Event::Named(_))));
    let on_part = bool_const("ON_PART", methods.iter().filter(|method| matches!(method.event, Event::Part)));
    let async_const = bool_const("ASYNC", methods.iter().filter(|method| method.is_async));
    // The text of a handler with names goes to its envelope first.
    let text_arm = text_arm(methods);
    let has_named = text_arm.is_some();
    let impl_head = (quote!(#impl_generics), &info, &call, quote!(#where_clause));
    let named = named_impl(model, impl_head);
    let arms = event_arms(model, |event| {
        !matches!(event, Event::Named(_)) && (!has_named || !matches!(event, Event::Text))
    });
    let of_states = states.map(|states| &states.of_handler);
    let call_fn = is_async.then(|| {
        let calls = methods.iter().filter(|method| method.is_async);
        let calls = calls
            .map(|method| if method.name().is_some() { named_call_arm(method) } else { call_arm(method) });
        let batch = batch_arm(methods);
        let unused =
            (!generics.params.is_empty()).then(|| quote!(__Call::__Unused(never, _) => match never {},));
        quote! {
            fn call(instance: &mut __ws::HandlerInstance<Self>, call: #call) -> __ws::MethodFuture<'_, Self> {
                match call { #(#calls)* #batch #unused }
            }
        }
    });

    let describe_fn = describe_fn(model);
    let (check, declared) = declared(model, generics);
    quote! {
        #check

        #[automatically_derived]
        impl #impl_generics __ws::Handler for #self_ty #where_clause {
            #info_type
            type Call = #call;
            #upgrade
            const CHECKED_DECLARATION: __ws::Declaration = #declared;
            #timers
            #async_const
            #on_error
            #on_drain
            #named_const
            #on_part
            #of_states

            // PERF: the methods are inlined into the dispatch of messages. budget: text64
            #[inline(always)]
            fn event(
                &mut self,
                event: __ws::Event<'_, #info>,
                cx: &mut __ws::Context<Self>,
            ) -> __ws::EventOutcome<#call> {
                match event {
                    #text_arm
                    #(#arms)*
                    _ => __ws::EventOutcome::Unhandled,
                }
            }

            #call_fn
            #describe_fn
        }

        #named
    }
}

/// Returns the check of the declaration against the methods, and the value of `CHECKED_DECLARATION`. The compiler
/// evaluates a free constant at once, and the associated constant of a generic type once its parameters are chosen.
fn declared(model: &HandlerImpl, generics: &Generics) -> (Option<TokenStream>, TokenStream) {
    let self_ty = &model.self_ty;
    let declared = quote!(__ws::declaration::<#self_ty>());
    let (path_use, span) = model.path_use;
    let checked = match path_use {
        PathUse::Nothing => Some(quote_spanned!(span=> __ws::Declaration::path_untaken(#declared))),
        PathUse::Exactly(count) => {
            Some(quote_spanned!(span=> __ws::Declaration::path_takes(#declared, #count)))
        }
        PathUse::Unknown => None,
    };
    let part = model.methods.iter().filter(|method| matches!(method.event, Event::Part));
    let takes_parts = part.clone().next().zip(is_any(part));
    let hooks = model.methods.iter().filter(|method| matches!(method.event, Event::Attach | Event::Detach));
    let has_hooks = hooks.clone().next().zip(is_any(hooks));
    // The spans make the errors point at the methods.
    let for_parts = |value: TokenStream| match &takes_parts {
        Some((first, takes_parts)) => {
            quote_spanned!(first.ident.span()=> __ws::Declaration::for_parts(#value, #takes_parts))
        }
        None => value,
    };
    let for_sessions = |value: TokenStream| match &has_hooks {
        Some((first, has_hooks)) => {
            quote_spanned!(first.ident.span()=> __ws::Declaration::for_sessions(#value, #has_hooks))
        }
        None => value,
    };
    if !generics.params.is_empty() {
        return (None, for_parts(for_sessions(checked.unwrap_or(declared))));
    }
    let parts_check = takes_parts.is_some().then(|| for_parts(declared.clone()));
    let hooks_check = has_hooks.is_some().then(|| for_sessions(declared.clone()));
    let checks = [checked, parts_check, hooks_check].into_iter().flatten();
    let checks = quote!(#(const _: __ws::Declaration = #checks;)*);
    ((!checks.is_empty()).then_some(checks), for_parts(declared))
}

/// Returns a constant that is true if one of the methods exists under the active `cfg`s.
fn bool_const<'a>(name: &str, methods: impl Iterator<Item = &'a Method> + Clone) -> Option<TokenStream> {
    let value = is_any(methods)?;
    let name = format_ident!("{name}");
    Some(quote!(const #name: ::core::primitive::bool = #value;))
}

/// Returns whether one of the methods exists under the active `cfg`s, as an expression; `None` if there are no
/// methods.
fn is_any<'a>(methods: impl Iterator<Item = &'a Method> + Clone) -> Option<TokenStream> {
    methods.clone().next()?;
    Some(match any_cfg(methods.map(|method| &*method.cfgs)) {
        Some(any) => quote!(::core::cfg!(#any)),
        None => quote!(true),
    })
}

/// Returns the constant of timers. The id of a timer is the index of its method.
fn timers(methods: &[Method]) -> Option<TokenStream> {
    let timers = methods.iter().enumerate().filter_map(|(id, method)| {
        let Event::Timer { delay, repeat } = &method.event else { return None };
        if method.states.state.is_some() {
            return None;
        }
        let cfgs = &method.cfgs;
        // The span makes an error of the delay point at the delay.
        let timer = quote_spanned!(delay.span()=> __ws::Timer::new(#id, #delay, #repeat));
        Some(quote!(#(#cfgs)* #timer))
    });
    let timers: Vec<_> = timers.collect();
    (!timers.is_empty()).then(|| quote!(const TIMERS: &'static [__ws::Timer] = &[#(#timers),*];))
}
