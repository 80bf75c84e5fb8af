//! The states of a handler: the impls of its `enum`, the events of its states, and the checks of both.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Generics, Type};

use super::dispatch::{event_arm, event_body, event_pattern, state_of};
use super::rewrite::{any_cfg, respan, without_self};
use crate::model::{Event, HandlerImpl, Method, text};

/// Returns the impls for the variants of an `enum` that are its states.
///
/// They do nothing until the macro on the `impl` block adds `UsesStates`.
pub(crate) fn state_impls(
    ident: &Ident,
    generics: &Generics,
    states: &[(Ident, Type)],
) -> Option<TokenStream> {
    states.first()?;
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let this = quote!(#ident #type_generics);
    let names = states.iter().map(|(_, ty)| text(ty));
    let variants = || states.iter().map(|(variant, _)| variant);
    let types = || states.iter().map(|(_, ty)| ty);
    let (indices, is_only) = (0..states.len(), states.len() == 1);
    let accepts = types().map(|ty| quote!(<dyn __ws::Any>::is::<#ty>(state)));
    let changes = states.iter().map(|(variant, ty)| {
        quote! {
            let state = match __ws::Box::<dyn __ws::Any + ::core::marker::Send>::downcast::<#ty>(state) {
                ::core::result::Result::Ok(state) => {
                    *self = Self::#variant(*state);
                    return true;
                }
                ::core::result::Result::Err(state) => state,
            };
        }
    });
    let each = states.iter().enumerate().map(|(index, (variant, ty))| {
        let mut guarded = generics.clone();
        let bound = syn::parse_quote!(for<'__states> #this: __ws::UsesStates<'__states, #index>);
        guarded.make_where_clause().predicates.push(bound);
        let (_, _, guarded) = guarded.split_for_impl();
        let other = (!is_only).then(|| quote!(_ => ::core::option::Option::None,));
        respan(
            ty.span(),
            quote! {
                #[automatically_derived]
                impl #impl_generics __ws::HasState<#ty> for #this #guarded {
                    const INDEX: ::core::primitive::usize = #index;
                    fn state(&self) -> ::core::option::Option<&#ty> {
                        match self {
                            Self::#variant(state) => ::core::option::Option::Some(state),
                            #other
                        }
                    }
                    fn state_mut(&mut self) -> ::core::option::Option<&mut #ty> {
                        match self {
                            Self::#variant(state) => ::core::option::Option::Some(state),
                            #other
                        }
                    }
                    fn from_state(state: #ty) -> Self {
                        Self::#variant(state)
                    }
                }

                #[automatically_derived]
                impl #impl_generics __ws::IntoUpgrade<#this> for #ty #guarded {
                    fn into_upgrade(self) -> ::core::result::Result<__ws::Upgrade<#this>, __ws::Response> {
                        __ws::IntoUpgrade::into_upgrade(<#this as __ws::HasState<#ty>>::from_state(self))
                    }
                }

                #[automatically_derived]
                impl #impl_generics __ws::IntoUpgrade<#this> for __ws::Upgrade<#ty> #guarded {
                    fn into_upgrade(self) -> ::core::result::Result<__ws::Upgrade<#this>, __ws::Response> {
                        __ws::upgrade_to_state(self)
                    }
                }
            },
        )
    });
    let variants = variants();
    Some(quote! {
        #[automatically_derived]
        impl #impl_generics __ws::States for #this #where_clause {
            const NAMES: &'static [&'static ::core::primitive::str] = &[#(#names),*];
            fn index(&self) -> ::core::primitive::usize {
                match self { #(Self::#variants(_) => #indices,)* }
            }
            fn accepts(state: &dyn __ws::Any) -> ::core::primitive::bool {
                #(#accepts)||*
            }
            fn change(
                &mut self,
                state: __ws::Box<dyn __ws::Any + ::core::marker::Send>,
            ) -> ::core::primitive::bool {
                #(#changes)*
                ::core::mem::drop(state);
                false
            }
        }

        #(#each)*
    })
}

/// Returns the arms of `Handler::event`.
pub(super) fn event_arms(model: &HandlerImpl, selects: impl Fn(&Event) -> bool) -> Vec<TokenStream> {
    arms(model, selects, event_arm, group_arm)
}

/// Returns the arms of a match: one for each method, or for all methods of states that take one event.
pub(super) fn arms(
    model: &HandlerImpl,
    selects: impl Fn(&Event) -> bool,
    arm: impl Fn(usize, &Method) -> TokenStream,
    group_arm: impl Fn(&[(usize, &Method)]) -> TokenStream,
) -> Vec<TokenStream> {
    let methods = model.methods.iter().enumerate();
    let methods = methods.filter(|(_, method)| !method.is_left_out && selects(&method.event));
    let arms = methods.filter_map(|(id, method)| {
        let group = group(model, method);
        let is_of_states = group
            .iter()
            .any(|(_, method)| method.states.state.is_some() || !method.states.ignored.is_empty());
        match group.first() {
            Some((first, _)) if is_of_states => (*first == id).then(|| group_arm(&group)),
            _ => Some(arm(id, method)),
        }
    });
    arms.collect()
}

/// Returns the methods for the event of a method, itself among them, with their ids.
fn group<'a>(model: &'a HandlerImpl, method: &'a Method) -> Vec<(usize, &'a Method)> {
    let methods = model.methods.iter().enumerate();
    let is_in = |other: &Method| std::ptr::eq(other, method) || other.takes_event_of(method);
    methods.filter(|(_, other)| is_in(other)).collect()
}

/// Returns the condition under which one of the methods for a message exists.
pub(super) fn info_condition(model: &HandlerImpl, method: &Method) -> TokenStream {
    let others = model.methods.iter().filter(|other| other.takes_event_of(method));
    condition(others.map(|other| &*other.cfgs))
}

fn condition<'a>(cfgs: impl Iterator<Item = &'a [Attribute]> + Clone) -> TokenStream {
    let mut each = cfgs.clone();
    if let (Some(only), None) = (each.next(), each.next()) {
        return quote!(#(#only)*);
    }
    any_cfg(cfgs).map_or_else(TokenStream::new, |any| quote!(#[cfg(#any)]))
}

/// Returns the arm of an event that states take.
fn group_arm(group: &[(usize, &Method)]) -> TokenStream {
    let payload = Ident::new("payload", Span::call_site());
    let (id, first) = group[0];
    let pattern = event_pattern(id, first, &payload);
    let (done, unhandled) = (quote!(__ws::EventOutcome::Done), quote!(__ws::EventOutcome::Unhandled));
    let body = by_state(group, |method| event_body(method, &payload), &done, &unhandled);
    let condition = group_condition(group);
    quote!(#condition __ws::Event::#pattern => { #body })
}

/// Returns the condition under which one of the methods exists.
pub(super) fn group_condition(group: &[(usize, &Method)]) -> TokenStream {
    condition(group.iter().map(|(_, method)| &*method.cfgs))
}

/// Returns the statements that run the methods of a group: those of states in turn, each only in its state, and
/// then the method of all states.
pub(super) fn by_state(
    group: &[(usize, &Method)],
    body: impl Fn(&Method) -> TokenStream,
    ignored_outcome: &TokenStream,
    other_outcome: &TokenStream,
) -> TokenStream {
    let branches = group.iter().filter_map(|(_, method)| {
        let ty = method.states.state.as_ref()?;
        let (cfgs, body) = (&method.cfgs, body(method));
        let of_self = state_of(ty, &Ident::new("self", Span::call_site()));
        let state = Ident::new("state", Span::call_site());
        Some(quote! {
            #(#cfgs)*
            if let ::core::option::Option::Some(#state) = #of_self {
                return { #body };
            }
        })
    });
    let ignored = group.iter().flat_map(|(_, method)| {
        method.states.ignored.iter().map(|ty| {
            let (cfgs, of_self) = (&method.cfgs, state_of(ty, &Ident::new("self", Span::call_site())));
            quote! {
                #(#cfgs)*
                if ::core::option::Option::is_some(&#of_self) {
                    return #ignored_outcome;
                }
            }
        })
    });
    let of_all = group.iter().filter(|(_, method)| method.states.state.is_none());
    let of_all: Vec<_> = of_all.map(|(_, method)| (&method.cfgs, body(method))).collect();
    let of_others = match &*of_all {
        [(cfgs, body)] if cfgs.is_empty() => body.clone(),
        [] => other_outcome.clone(),
        all => {
            let returns = all.iter().map(|(cfgs, body)| quote!(#(#cfgs)* return { #body };));
            quote! {
                #(#returns)*
                #[allow(unreachable_code)]
                { #other_outcome }
            }
        }
    };
    quote!(#(#branches)* #(#ignored)* #of_others)
}

/// The items of a handler that uses states.
pub(super) struct StateItems {
    /// Items beside the impl of `Handler`.
    pub(super) free: TokenStream,
    /// Items of the impl of `Handler`.
    pub(super) of_handler: TokenStream,
}

/// Returns the items of a handler that uses states, with the checks that only the compiler can do.
pub(super) fn state_items(model: &HandlerImpl, generics: &Generics) -> Option<StateItems> {
    let first = model.methods.iter().find_map(|method| method.states.types().next())?;
    let self_ty = &model.self_ty;
    let of_first = as_state(first, self_ty);
    let checks = checks(model);
    let (free, states) = if generics.params.is_empty() {
        let checks = checks.iter().map(|(span, check)| quote_spanned!(*span=> const _: () = #check;));
        let all = quote_spanned!(first.span()=> #of_first::ALL);
        (
            quote! {
                const __STATES: &[&::core::primitive::str] = #all;
                #(#checks)*
            },
            quote!(__STATES),
        )
    } else {
        // The compiler evaluates the constant of a generic type once its parameters are chosen.
        let checks = checks.iter().map(|(_, check)| check);
        (TokenStream::new(), quote!({ #(#checks;)* #of_first::ALL }))
    };
    let timers = state_timers(model);
    let mut of_marker = generics.clone();
    of_marker.params.push(syn::parse_quote!(const __INDEX: ::core::primitive::usize));
    let (impl_generics, _, where_clause) = of_marker.split_for_impl();
    let marker = quote_spanned! {first.span()=>
        #[automatically_derived]
        impl #impl_generics __ws::UsesStates<'_, __INDEX> for #self_ty #where_clause {}
    };
    Some(StateItems {
        free: quote!(#marker #free),
        of_handler: quote! {
            const STATES: &'static [&'static ::core::primitive::str] = #states;
            #timers
            fn state_index(&self) -> ::core::primitive::usize {
                #of_first::current(self)
            }
            fn is_state(state: &dyn __ws::Any) -> ::core::primitive::bool {
                #of_first::accepts_state(state)
            }
            fn set_state(
                &mut self,
                state: __ws::Box<dyn __ws::Any + ::core::marker::Send>,
            ) -> ::core::primitive::bool {
                #of_first::change_state(self, state)
            }
        },
    })
}

/// Returns the handler as one with a state, for paths. A type that is not a state is an error at the type.
fn as_state(ty: &Type, self_ty: &Type) -> TokenStream {
    let state = without_self(ty, self_ty);
    respan(ty.span(), quote!(<#self_ty as __ws::HasState<#state>>))
}

/// Returns the index of a state, as a constant expression.
fn index_of(model: &HandlerImpl, ty: &Type) -> TokenStream {
    let of_state = as_state(ty, &model.self_ty);
    quote_spanned!(ty.span()=> #of_state::INDEX)
}

/// Returns the calls that check the states in constants, each with the span for its error.
fn checks(model: &HandlerImpl) -> Vec<(Span, TokenStream)> {
    let names = match model.methods.iter().find_map(|method| method.states.types().next()) {
        Some(first) if !model.generics.params.is_empty() => {
            let of_first = as_state(first, &model.self_ty);
            quote_spanned!(first.span()=> #of_first::ALL)
        }
        _ => quote!(__STATES),
    };
    let mut checks = Vec::new();
    for (id, first) in model.methods.iter().enumerate() {
        let event = match &first.event {
            Event::Timer { .. } => continue,
            event => attribute(event),
        };
        let group = group(model, first);
        let is_later = group.first().is_some_and(|(first, _)| *first != id);
        let taking = group.iter().rfind(|(_, method)| method.states.state.is_some());
        let ignoring = group.iter().find(|(_, method)| !method.states.ignored.is_empty());
        let Some((_, blamed)) = ignoring.or(taking).filter(|_| !is_later) else { continue };
        let taken = group.iter().filter_map(|(_, method)| {
            let (cfgs, index) = (&method.cfgs, index_of(model, method.states.state.as_ref()?));
            Some(quote!(#(#cfgs)* #index))
        });
        let ignored = group.iter().flat_map(|(_, method)| {
            let indices = method.states.ignored.iter().map(|ty| index_of(model, ty));
            indices.map(|index| {
                let cfgs = &method.cfgs;
                quote!(#(#cfgs)* #index)
            })
        });
        // A state may be entered and left without a word, and a name may be unknown in a state.
        let is_optional = matches!(first.event, Event::Enter | Event::Leave | Event::Named(_));
        let has_other = is_optional || group.iter().any(|(_, method)| method.states.state.is_none());
        let span = blamed.ident.span();
        checks.push((
            span,
            quote_spanned!(span=> __ws::check_event(#names, #event, &[#(#taken),*], &[#(#ignored),*], #has_other)),
        ));
    }
    if let Some(entry) = entry(model) {
        let targets = model.methods.iter().flat_map(|method| {
            let cfgs = &method.cfgs;
            method.states.targets.iter().map(move |ty| (cfgs, index_of(model, ty)))
        });
        let targets = targets.map(|(cfgs, index)| quote!(#(#cfgs)* #index));
        let span = model.self_ty.span();
        checks.push((span, quote_spanned!(span=> __ws::check_reached(#names, &[#entry, #(#targets),*]))));
    }
    checks
}

/// Returns the attribute of an event, for errors.
fn attribute(event: &Event) -> String {
    match event {
        Event::Named(name) => format!("#[{}({:?})]", event.name(), name.text),
        _ => format!("#[{}]", event.name()),
    }
}

/// Returns the index of the first state: that of `#[on_upgrade]`, else the first variant. `None` if the type that
/// `#[on_upgrade]` returns does not show the state.
fn entry(model: &HandlerImpl) -> Option<TokenStream> {
    match &*model.upgrades {
        [] => Some(quote!(0)),
        upgrades => {
            let known = || model.methods.iter().flat_map(|method| method.states.types());
            let indices = upgrades.iter().map(|upgrade| {
                let ty = known().find(|ty| text(ty) == text(&upgrade.created))?;
                let (cfgs, index) = (&upgrade.cfgs, index_of(model, ty));
                Some(quote!(#(#cfgs)* #index))
            });
            let indices: Vec<_> = indices.collect::<Option<_>>()?;
            Some(quote!(#(#indices),*))
        }
    }
}

/// Returns the constant of the timers that run in a state.
fn state_timers(model: &HandlerImpl) -> Option<TokenStream> {
    let timers = model.methods.iter().enumerate().filter_map(|(id, method)| {
        let Event::Timer { delay, repeat } = &method.event else { return None };
        let (cfgs, index) = (&method.cfgs, index_of(model, method.states.state.as_ref()?));
        let timer = quote_spanned!(delay.span()=> __ws::Timer::new(#id, #delay, #repeat));
        Some(quote!(#(#cfgs)* __ws::StateTimer::new(#index, #timer)))
    });
    let timers: Vec<_> = timers.collect();
    (!timers.is_empty()).then(|| quote!(const STATE_TIMERS: &'static [__ws::StateTimer] = &[#(#timers),*];))
}
