//! One method for an event.

use proc_macro2::{Ident, Span, TokenStream};
use quote::format_ident;
use syn::{Attribute, GenericParam, Meta, ReturnType, Signature, Type};

use super::argument::{Arg, arguments, usage};
use super::kind::Kind;
use super::types::{borrows, captures_all, peeled};
use super::{cfgs, output_span, value};
use crate::parse;
use crate::report::Report;

/// A method for an event.
pub(crate) struct Method {
    /// Conditions under which it is there at all.
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) ident: Ident,
    /// The name of its variant where it needs one.
    pub(crate) variant: Ident,
    pub(crate) event: Event,
    pub(crate) is_async: bool,
    /// In the order in which they are written.
    pub(crate) args: Vec<Arg>,
    /// Where the return type stands.
    pub(crate) output: Span,
}

pub(crate) enum Event {
    Open,
    Text,
    Binary,
    Ping,
    Pong,
    Info,
    Lagged,
    Timer { delay: TokenStream, repeat: bool },
    Error,
    Close,
}

/// What a pending async method has been given: what borrows is held as what it borrows from.
pub(crate) enum Held<'a> {
    Nothing,
    /// The payload as it has been decoded, or the message.
    Value(&'a Type),
    /// Text or bytes that are decoded when the method runs.
    Text,
    Bytes,
    /// How many messages were missed.
    Missed,
    Error,
    Reason,
}

impl Method {
    pub(crate) fn payload(&self) -> Option<&Type> {
        self.args.iter().find_map(|arg| match arg {
            Arg::Payload(ty) => Some(&**ty),
            Arg::Context(_) => None,
        })
    }

    pub(crate) fn held(&self) -> Held<'_> {
        match (&self.event, self.payload()) {
            (Event::Error, _) => Held::Error,
            (Event::Close, _) => Held::Reason,
            // Of a timer and of an open connection there is none.
            (_, None) => Held::Nothing,
            (Event::Info, Some(ty)) => Held::Value(ty),
            (Event::Lagged, Some(_)) => Held::Missed,
            (Event::Text, Some(ty)) if borrows(ty) => Held::Text,
            (_, Some(ty)) if borrows(ty) => Held::Bytes,
            (_, Some(ty)) => Held::Value(ty),
        }
    }

    /// Whether two methods want the same event. Timers may be many, and of messages one for each type.
    pub(super) fn clashes(&self, other: &Self) -> bool {
        match (&self.event, &other.event) {
            (Event::Timer { .. }, _) => false,
            (Event::Info, Event::Info) => {
                let of = |method: &Self| method.payload().map(|ty| quote::quote!(#ty).to_string());
                of(self) == of(other)
            }
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }
}

/// A method, if nothing is wrong with it by itself.
pub(super) fn method(
    method: &parse::Method,
    helper: &Attribute,
    kind: Kind,
    report: &mut Report,
) -> Option<Method> {
    let sig = &method.sig;
    check(sig, "a method for an event", report);
    // All of it is looked at, so that all of it is complained about.
    let event = event(helper, kind, report);
    let args = arguments(sig, kind, report)?;
    output(sig, kind, &args, report)?;
    Some(Method {
        cfgs: cfgs(&method.attrs),
        ident: sig.ident.clone(),
        variant: format_ident!("{}", variant(&sig.ident), span = sig.ident.span()),
        event: event?,
        is_async: sig.asyncness.is_some(),
        args,
        output: output_span(sig),
    })
}

fn event(helper: &Attribute, kind: Kind, report: &mut Report) -> Option<Event> {
    if let Kind::Every | Kind::After = kind {
        let delay = report.ok(value::delay(&helper.meta, kind.name()))?;
        return Some(Event::Timer { delay, repeat: kind == Kind::Every });
    }
    no_arguments(helper, report);
    Some(match kind {
        Kind::Text => Event::Text,
        Kind::Binary => Event::Binary,
        Kind::Ping => Event::Ping,
        Kind::Pong => Event::Pong,
        Kind::Info => Event::Info,
        Kind::Lagged => Event::Lagged,
        Kind::Error => Event::Error,
        Kind::Close => Event::Close,
        _ => Event::Open,
    })
}

/// Of attributes that say all by their name.
pub(super) fn no_arguments(helper: &Attribute, report: &mut Report) {
    let name = parse::name(helper);
    let help = match name.as_str() {
        "on_info" => {
            "help: the type of the message is that of the method's argument: write `#[on_info]`".into()
        }
        _ => format!("help: write `#[{name}]`"),
    };
    let text = format!("`#[{name}]` takes no arguments\n{help}");
    match &helper.meta {
        Meta::Path(_) => {}
        Meta::List(list) if list.tokens.is_empty() => report.error_at(list, text),
        Meta::List(list) => report.error_at(&list.tokens, text),
        Meta::NameValue(set) => report.error_at(&set.value, text),
    }
}

/// Rules for every function with an attribute.
pub(super) fn check(sig: &Signature, what: &str, report: &mut Report) {
    if let Some(token) = &sig.constness {
        report.error_at(token, format!("{what} cannot be `const`\nhelp: remove `const`"));
    }
    if let syn::Safety::Unsafe(token) = &sig.safety {
        report.error_at(
            token,
            format!(
                "{what} cannot be `unsafe`: the connection calls it\n\
                 help: remove `unsafe`, and keep an `unsafe` block in its body"
            ),
        );
    }
    for param in &sig.generics.params {
        if !matches!(param, GenericParam::Lifetime(_)) {
            report.error_at(
                param,
                format!(
                    "{what} cannot be generic: nobody chooses the type\n\
                     help: name the type, or make the handler generic"
                ),
            );
        }
    }
}

fn output(sig: &Signature, kind: Kind, args: &[Arg], report: &mut Report) -> Option<()> {
    let ReturnType::Type(_, ty) = &sig.output else { return Some(()) };
    let is_unit = matches!(peeled(ty), Type::Tuple(tuple) if tuple.elems.is_empty());
    if kind == Kind::Close && !is_unit {
        let usage = usage(sig, kind);
        let text = format!("`#[on_close]` cannot reply: the connection has ended\nhelp: write {usage}");
        report.error_at(ty, text);
        return None;
    }
    if captures_all(&sig.output) && args.iter().any(|arg| matches!(arg, Arg::Context(_))) {
        report.error_at(
            ty,
            "this reply borrows `cx`, by which it is to be sent\n\
             help: write `impl IntoReply + use<>`, with what it borrows in the brackets; or name its type",
        );
        return None;
    }
    Some(())
}

/// The variant of a method's event: its name in the case of types, so that the expansion reads.
fn variant(ident: &Ident) -> String {
    let name = ident.to_string();
    let words = name.trim_start_matches("r#").split('_').filter(|word| !word.is_empty());
    let mut camel: String = words
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters)
        })
        .collect();
    // A method `self_` or `_0` would make no name of its own.
    if !camel.starts_with(char::is_alphabetic) || camel == "Self" {
        camel.insert_str(0, "On");
    }
    camel
}
