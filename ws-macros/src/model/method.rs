//! Validation of an event method.

use proc_macro2::{Ident, Span, TokenStream};
use quote::format_ident;
use syn::{Attribute, GenericParam, Meta, ReturnType, Signature, Type};

use super::arg::{Arg, NamedArg};
use super::argument::{usage_hint, validate_arguments};
use super::contract::MethodContract;
use super::kind::Kind;
use super::named::{MessageName, validate_name};
use super::states::{MethodStates, check_targets, ignored_states, split_ignored, state_of, targets};
use super::task::find_captured_context;
use super::types::{borrows, captures_all, is_named, type_arguments, ungroup_type};
use super::{cfg_attributes, output_span, value};
use crate::errors::Errors;
use crate::parse;

/// An event method with a valid signature.
pub(crate) struct Method {
    /// `cfg` attributes of the method.
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) ident: Ident,
    /// Name of the method's variant in `__Info` and `__Call`.
    pub(crate) variant: Ident,
    pub(crate) event: Event,
    pub(crate) is_async: bool,
    /// Arguments in source order.
    pub(crate) args: Vec<Arg>,
    /// Span of the return type, or of the name if there is none.
    pub(crate) output: Span,
    /// Lifetime parameters of the method.
    pub(crate) lifetimes: Vec<Ident>,
    /// Whether an error of another kind replaces the `OnInfo` impl of this method.
    pub(crate) is_left_out: bool,
    pub(crate) states: MethodStates,
    pub(crate) contract: MethodContract,
}

pub(crate) enum Event {
    Open,
    Text,
    Binary,
    Part,
    Ping,
    Pong,
    Info,
    Lagged,
    Drain,
    Attach,
    Detach,
    Timer { delay: TokenStream, repeat: bool },
    Error,
    Close,
    Named(MessageName),
    Enter,
    Leave,
}

/// Payload that the call of an async method stores. A borrowing payload is stored as its source.
pub(crate) enum StoredPayload<'a> {
    Nothing,
    /// The decoded payload, or the message.
    Value(&'a Type),
    /// Text that is decoded when the method runs.
    Text,
    Bytes,
    /// A copy of the part.
    Part,
    /// The number of missed messages.
    Missed,
    Error,
    Reason,
}

impl Event {
    /// Returns the name of the attribute.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Open => "on_open",
            Self::Text => "on_text",
            Self::Binary => "on_binary",
            Self::Part => "on_part",
            Self::Named(name) if name.is_call => "on_call",
            Self::Named(_) => "on_message",
            Self::Ping => "on_ping",
            Self::Pong => "on_pong",
            Self::Info => "on_info",
            Self::Lagged => "on_lagged",
            Self::Drain => "on_drain",
            Self::Attach => "on_attach",
            Self::Detach => "on_detach",
            Self::Timer { repeat: true, .. } => "every",
            Self::Timer { .. } => "after",
            Self::Error => "on_error",
            Self::Close => "on_close",
            Self::Enter => "on_enter",
            Self::Leave => "on_leave",
        }
    }
}

impl Method {
    /// Returns the name of a call or message.
    pub(crate) fn name(&self) -> Option<&MessageName> {
        match &self.event {
            Event::Named(name) => Some(name),
            _ => None,
        }
    }

    /// Returns the arguments that are parameters of a named message.
    pub(crate) fn named_args(&self) -> impl Iterator<Item = &NamedArg> {
        self.args.iter().filter_map(|arg| match arg {
            Arg::Named(arg) => Some(arg),
            _ => None,
        })
    }

    pub(crate) fn payload(&self) -> Option<&Type> {
        self.args.iter().find_map(|arg| match arg {
            Arg::Payload(ty) => Some(&**ty),
            Arg::Context(_) | Arg::Named(_) => None,
        })
    }

    pub(crate) fn stored_payload(&self) -> StoredPayload<'_> {
        match (&self.event, self.payload()) {
            (Event::Error, _) => StoredPayload::Error,
            (Event::Close, _) => StoredPayload::Reason,
            // Timers, `#[on_open]` and `#[on_drain]` have no payload.
            (_, None) => StoredPayload::Nothing,
            (Event::Info, Some(ty)) => StoredPayload::Value(ty),
            (Event::Lagged, Some(_)) => StoredPayload::Missed,
            (Event::Part, Some(_)) => StoredPayload::Part,
            (Event::Text, Some(ty)) if borrows(ty) => StoredPayload::Text,
            (_, Some(ty)) if borrows(ty) => StoredPayload::Bytes,
            (_, Some(ty)) => StoredPayload::Value(ty),
        }
    }

    /// Returns whether both methods take messages of one type, as far as its tokens show.
    pub(super) fn takes_type_of(&self, other: &Self) -> bool {
        let of = |method: &Self| method.payload().map(|ty| quote::quote!(#ty).to_string());
        of(self) == of(other)
    }

    /// Returns whether two methods handle the same event. Timers never conflict; messages conflict by type.
    /// A method for parts handles the events of text and binary messages.
    /// Returns whether two methods handle the same event in the same state.
    pub(super) fn conflicts_with(&self, other: &Self) -> bool {
        let is_one_event = std::mem::discriminant(&self.event) == std::mem::discriminant(&other.event)
            && (!matches!(self.event, Event::Info) || self.takes_type_of(other));
        // A name of all states is that of none: its parameters and its answer do not depend on the state.
        let is_of_all = |method: &Self| method.name().is_some() && method.states.state.is_none();
        let is_one_state = self.states.overlap(&other.states) || is_of_all(self) || is_of_all(other);
        self.takes_event_of(other) && (is_one_state || !is_one_event)
    }

    /// Returns whether two methods handle the same event. Timers are events of their own; messages differ by
    /// type.
    pub(crate) fn takes_event_of(&self, other: &Self) -> bool {
        match (&self.event, &other.event) {
            (Event::Timer { .. }, _) => false,
            (Event::Named(a), Event::Named(b)) => a.text == b.text,
            (Event::Info, Event::Info) => {
                let of = |method: &Self| method.payload().and_then(published_type);
                self.takes_type_of(other) || of(self).is_some_and(|ty| of(other) == Some(ty))
            }
            (Event::Part, Event::Text | Event::Binary | Event::Named(_))
            | (Event::Text | Event::Binary | Event::Named(_), Event::Part) => true,
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }
}

/// Validates a method on its own, without the others of the handler.
pub(super) fn validate_method(
    method: &parse::ImplMethod,
    helper: &Attribute,
    kind: Kind,
    errors: &mut Errors,
) -> Option<Method> {
    let sig = &method.sig;
    check_signature(sig, "a method for an event", errors);
    // All parts are validated before the first return, so that one build reports all errors.
    let arguments = match &helper.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    let (name, ignored) = if kind.is_named() { split_ignored(&arguments) } else { (None, Some(arguments)) };
    let ignored = ignored.and_then(|ignored| ignored_states(&ignored, kind, errors));
    let event = if kind.is_named() {
        validate_name(helper, name, sig, kind, errors).map(Event::Named)
    } else {
        validate_event(helper, kind, ignored.is_some(), errors)
    };
    let targets = targets(&sig.output);
    check_targets(kind, &targets, errors);
    let args = validate_arguments(sig, kind, errors)?;
    validate_output(sig, kind, &args, errors)?;
    if let Some((span, cx)) = find_captured_context(method) {
        errors.error(
            span,
            format!(
                "`{cx}` in a task or a thread, which outlives the call that borrows `{cx}`\n\
                 help: move `{cx}.addr()` there, and send a message for an `#[on_info]`: \
                 `let addr = {cx}.addr();`"
            ),
        );
    }
    Some(Method {
        cfgs: cfg_attributes(&method.attrs),
        ident: sig.ident.clone(),
        variant: format_ident!("{}", variant(&sig.ident), span = sig.ident.span()),
        event: event?,
        is_async: sig.asyncness.is_some(),
        args,
        output: output_span(sig),
        lifetimes: sig.generics.lifetimes().map(|param| param.lifetime.ident.clone()).collect(),
        is_left_out: false,
        states: MethodStates {
            state: state_of(sig),
            ignored: ignored.unwrap_or_default(),
            targets,
            follows: false,
        },
        contract: MethodContract::new(&method.attrs, &sig.output),
    })
}

fn validate_event(helper: &Attribute, kind: Kind, is_ignore: bool, errors: &mut Errors) -> Option<Event> {
    if is_ignore && matches!(kind, Kind::Every | Kind::After) {
        return None;
    }
    if let Kind::Every | Kind::After = kind {
        let delay = errors.collect(value::delay(&helper.meta, kind.name()))?;
        return Some(Event::Timer { delay, repeat: kind == Kind::Every });
    }
    if !is_ignore {
        reject_arguments(helper, errors);
    }
    Some(match kind {
        Kind::Text => Event::Text,
        Kind::Binary => Event::Binary,
        Kind::Part => Event::Part,
        Kind::Ping => Event::Ping,
        Kind::Pong => Event::Pong,
        Kind::Info => Event::Info,
        Kind::Lagged => Event::Lagged,
        Kind::Drain => Event::Drain,
        Kind::Attach => Event::Attach,
        Kind::Detach => Event::Detach,
        Kind::Error => Event::Error,
        Kind::Close => Event::Close,
        Kind::Enter => Event::Enter,
        Kind::Leave => Event::Leave,
        _ => Event::Open,
    })
}

/// Rejects arguments of attributes that take none.
pub(super) fn reject_arguments(helper: &Attribute, errors: &mut Errors) {
    let name = parse::attribute_name(helper);
    let help = match name.as_str() {
        "on_info" => {
            "help: the argument of the method has the type of the message: write `#[on_info]`".into()
        }
        _ => format!("help: write `#[{name}]`"),
    };
    let text = format!("`#[{name}]` takes no arguments\n{help}");
    match &helper.meta {
        Meta::Path(_) => {}
        Meta::List(list) if list.tokens.is_empty() => errors.error_at(list, text),
        Meta::List(list) => errors.error_at(&list.tokens, text),
        Meta::NameValue(set) => errors.error_at(&set.value, text),
    }
}

/// Returns the type of the topic whose published values a message type takes: the `T` of `Arc<T>` and
/// `Published<T>`.
fn published_type(ty: &Type) -> Option<String> {
    let inner = *type_arguments(ty).first()?;
    (is_named(ty, "Arc") || is_named(ty, "Published")).then(|| quote::quote!(#inner).to_string())
}

/// Validates the parts of a signature that every attribute restricts.
pub(super) fn check_signature(sig: &Signature, what: &str, errors: &mut Errors) {
    if let Some(token) = &sig.constness {
        errors.error_at(token, format!("{what} cannot be `const`\nhelp: remove `const`"));
    }
    if let syn::Safety::Unsafe(token) = &sig.safety {
        errors.error_at(
            token,
            format!(
                "{what} cannot be `unsafe`, because the connection calls it\n\
                 help: remove `unsafe`, and keep an `unsafe` block in its body"
            ),
        );
    }
    for param in &sig.generics.params {
        if !matches!(param, GenericParam::Lifetime(_)) {
            errors.error_at(
                param,
                format!(
                    "{what} cannot be generic, because no caller chooses the type\n\
                     help: name the type, or make the handler generic"
                ),
            );
        }
    }
}

fn validate_output(sig: &Signature, kind: Kind, args: &[Arg], errors: &mut Errors) -> Option<()> {
    let ReturnType::Type(_, ty) = &sig.output else { return Some(()) };
    let is_unit = matches!(ungroup_type(ty), Type::Tuple(tuple) if tuple.elems.is_empty());
    if kind == Kind::Close && !is_unit {
        let usage = usage_hint(sig, kind);
        let text = format!("`#[on_close]` cannot reply: the connection has ended\nhelp: write {usage}");
        errors.error_at(ty, text);
        return None;
    }
    if captures_all(&sig.output) && args.iter().any(|arg| matches!(arg, Arg::Context(_))) {
        errors.error_at(
            ty,
            "this reply borrows `cx`, which sends it\n\
             help: write `impl IntoReply + use<>`, with what it borrows in the brackets; or name its type",
        );
        return None;
    }
    Some(())
}

/// Returns the name of the method's variant: the method's name in the case of types.
fn variant(ident: &Ident) -> String {
    let name = ident.to_string();
    let words = name.trim_start_matches("r#").split('_').filter(|word| !word.is_empty());
    let mut camel: String = words
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters)
        })
        .collect();
    // `self_` and `_0` have no valid name in the case of types.
    if !camel.starts_with(char::is_alphabetic) || camel == "Self" {
        camel.insert_str(0, "On");
    }
    camel
}
