//! What the signature of a method for an event may be.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{FnArg, GenericParam, ReceiverKind, ReturnType, Signature, Type};

use super::Event;
use crate::report::Report;

pub(crate) enum Arg {
    /// `cx: &mut Context<Self>`, and where its type stands.
    Context(Span),
    /// What the event brings, and its type.
    Payload(Box<Type>),
}

/// Rules for every method.
pub(super) fn check(sig: &Signature, report: &mut Report) {
    if let Some(token) = &sig.constness {
        report.error_at(token, "a method for an event cannot be `const`\nhelp: remove `const`");
    }
    if let syn::Safety::Unsafe(token) = &sig.safety {
        report.error_at(
            token,
            "a method for an event cannot be `unsafe`: the connection calls it\n\
             help: remove `unsafe`, and keep an `unsafe` block in its body",
        );
    }
    for param in &sig.generics.params {
        if !matches!(param, GenericParam::Lifetime(_)) {
            report.error_at(
                param,
                "a method for an event cannot be generic: nobody chooses the type\n\
                 help: name the type, or make the handler generic",
            );
        }
    }
}

/// The arguments of a method for an event, in the order in which they are written.
pub(super) fn arguments(sig: &Signature, event: &Event, name: &str, report: &mut Report) -> Option<Vec<Arg>> {
    let usage = usage(sig, event);
    if !receiver(sig, name, &usage, report) {
        return None;
    }
    let mut args = Vec::new();
    for input in &sig.inputs {
        let FnArg::Typed(input) = input else { continue };
        match argument(&input.ty, &args, event, name) {
            Ok(arg) => args.push(arg),
            Err(why) => {
                report.error_at(&input.ty, format!("{why}\nhelp: write {usage}"));
                return None;
            }
        }
    }
    let needs_payload = matches!(event, Event::Text | Event::Binary | Event::Info | Event::Error);
    if needs_payload && !args.iter().any(|arg| matches!(arg, Arg::Payload(_))) {
        let what = match event {
            Event::Text => "the text",
            Event::Binary => "the bytes",
            Event::Info => "the message, whose type says which messages it is for",
            _ => "the error",
        };
        report.error(sig.ident.span(), format!("`#[{name}]` takes {what}\nhelp: write {usage}"));
        return None;
    }
    if let (Event::Close, ReturnType::Type(_, ty)) = (event, &sig.output)
        && !matches!(&**ty, Type::Tuple(tuple) if tuple.elems.is_empty())
    {
        report.error_at(
            ty,
            format!("`#[on_close]` cannot reply: the connection has ended\nhelp: write {usage}"),
        );
        return None;
    }
    Some(args)
}

fn receiver(sig: &Signature, name: &str, usage: &str, report: &mut Report) -> bool {
    match sig.receiver() {
        Some(receiver) if matches!(receiver.kind, ReceiverKind::Reference(..)) => true,
        Some(receiver) => {
            report.error_at(
                receiver,
                format!("`#[{name}]` borrows the handler, which goes on after it\nhelp: write {usage}"),
            );
            false
        }
        None => {
            report.error(
                sig.ident.span(),
                format!("`#[{name}]` on a function without `self`\nhelp: write {usage}"),
            );
            false
        }
    }
}

/// One argument behind those that are known.
fn argument(ty: &Type, before: &[Arg], event: &Event, name: &str) -> Result<Arg, String> {
    if is_context(ty) {
        return match event {
            _ if !is_mut_reference(ty) => Err("`cx` is borrowed for the call: `&mut Context<Self>`".into()),
            Event::Close => Err("`#[on_close]` has no `cx`: nothing can be sent any more".into()),
            _ if before.iter().any(|arg| matches!(arg, Arg::Context(_))) => Err("a second `cx`".into()),
            _ => Ok(Arg::Context(ty.span())),
        };
    }
    match event {
        Event::Open | Event::Timer { .. } => {
            return Err(format!("`#[{name}]` takes nothing but `cx: &mut Context<Self>`"));
        }
        _ if before.iter().any(|arg| matches!(arg, Arg::Payload(_))) => {
            return Err(format!("`#[{name}]` takes one argument, and `cx: &mut Context<Self>`"));
        }
        Event::Error | Event::Close if !matches!(ty, Type::Reference(_)) => {
            return Err(format!("`#[{name}]` takes this by reference"));
        }
        Event::Info if matches!(ty, Type::Reference(reference) if !is_static(reference)) => {
            return Err("a message is owned: whoever sent it does not wait for it".into());
        }
        Event::Text | Event::Binary | Event::Ping | Event::Pong if is_mut_reference(ty) => {
            return Err("a payload is not borrowed mutably: it may be shared".into());
        }
        Event::Text | Event::Binary | Event::Ping | Event::Pong if matches!(ty, Type::Reference(reference) if is_owned_payload(&reference.elem)) =>
        {
            return Err("a payload is `&str` or `&[u8]`, or owned: not a reference to what is owned".into());
        }
        _ => {}
    }
    if let Type::ImplTrait(_) = ty {
        return Err(format!("`#[{name}]` needs to know the type"));
    }
    Ok(Arg::Payload(Box::new(ty.clone())))
}

/// Whether this is the context, borrowed or not. An alias of it is only known as what is borrowed
/// mutably.
pub(super) fn is_context(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "Context"),
        Type::Reference(reference) => {
            is_context(&reference.elem) || is_mut_reference(ty) && is_alias(&reference.elem)
        }
        _ => false,
    }
}

/// A name that is not one of a payload's.
fn is_alias(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if !path.path.is_ident("str")) && !is_owned_payload(ty)
}

fn is_owned_payload(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    let payloads = ["String", "Utf8Bytes", "Vec", "Bytes", "Json"];
    path.path.segments.last().is_some_and(|last| payloads.iter().any(|name| last.ident == name))
}

fn is_mut_reference(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference) if reference.mutability.is_some())
}

fn is_static(reference: &syn::TypeReference) -> bool {
    reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static")
}

/// The signature that would be right.
fn usage(sig: &Signature, event: &Event) -> String {
    let keyword = if sig.asyncness.is_some() { "async fn" } else { "fn" };
    let name = &sig.ident;
    let arguments = match event {
        Event::Open | Event::Timer { .. } => "",
        Event::Text => ", text: &str",
        Event::Binary => ", bytes: &[u8]",
        Event::Ping | Event::Pong => ", payload: &[u8]",
        Event::Info => ", message: Message",
        Event::Error => ", error: &HandlerError",
        Event::Close => return format!("`{keyword} {name}(&mut self, reason: &CloseReason)`"),
    };
    format!("`{keyword} {name}(&mut self{arguments})`, with `cx: &mut Context<Self>` if you need it")
}

/// Where the type of a reply stands, or the method's name if it has none.
pub(super) fn output_span(sig: &Signature) -> Span {
    match &sig.output {
        ReturnType::Default => sig.ident.span(),
        ReturnType::Type(_, ty) => ty.span(),
    }
}
