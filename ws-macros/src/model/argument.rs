//! Validation of the arguments of an event method.

use syn::spanned::Spanned;
use syn::{FnArg, ReceiverKind, Signature, Type};

use super::arg::Arg;
use super::kind::Kind;
use super::named::{self, validate_named_argument};
use super::states;
use super::types::{
    borrows, context_of, is_mut_reference, is_reference, is_static, last_name, names_context, ungroup_type,
};
use crate::errors::Errors;

/// Returns the arguments in source order, or `None` after adding an error.
pub(super) fn validate_arguments(sig: &Signature, kind: Kind, errors: &mut Errors) -> Option<Vec<Arg>> {
    let (name, usage) = (kind.name(), usage_hint(sig, kind));
    let is_of_state = states::state_param(sig).is_some();
    if !states::check_owner(sig, kind, &usage, errors)
        || !is_of_state && !validate_receiver(sig, name, &usage, errors)
    {
        return None;
    }
    let mut args = Vec::new();
    let mut aliases = Vec::new();
    for input in sig.inputs.iter().skip(usize::from(is_of_state)) {
        let FnArg::Typed(input) = input else { continue };
        if let Some(attr) = input.attrs.iter().find(|attr| attr.path().is_ident("cfg")) {
            errors.error_at(attr, "a `cfg` on an argument\nhelp: write two methods, each with its own `cfg`");
            return None;
        }
        let validated = if kind.is_named()
            && !is_context(&input.ty, kind)
            && misplaced_argument(&input.ty, kind).is_none()
        {
            validate_named_argument(input, &args, kind)
        } else {
            validate_argument(&input.ty, &args, kind)
        };
        match validated {
            Ok(arg) => {
                if matches!(arg, Arg::Context(_)) && !names_context(&input.ty) {
                    aliases.push(&input.ty);
                }
                args.push(arg);
            }
            Err(why) if why.contains("\nhelp: ") => {
                errors.error_at(&input.ty, why);
                return None;
            }
            Err(why) => {
                errors.error_at(&input.ty, format!("{why}\nhelp: write {usage}"));
                return None;
            }
        }
    }
    if kind.needs_payload() && !args.iter().any(|arg| matches!(arg, Arg::Payload(_))) {
        let text = match kind {
            Kind::Text => "`#[on_text]` takes the text",
            Kind::Binary => "`#[on_binary]` takes the bytes",
            Kind::Part => "`#[on_part]` takes the part",
            Kind::Info => "`#[on_info]` takes a message, whose type selects the messages that it handles",
            _ => "`#[on_error]` takes the error",
        };
        match aliases.first() {
            // The alias was probably meant as the payload.
            Some(ty) => {
                let text = match kind {
                    Kind::Info => "a message is owned, because its sender does not wait for the handler",
                    Kind::Part => "a part is taken by value",
                    _ => "a payload cannot be borrowed mutably",
                };
                errors.error_at(ty, format!("{text}\nhelp: write {usage}"));
            }
            None => errors.error(sig.ident.span(), format!("{text}\nhelp: write {usage}")),
        }
        return None;
    }
    Some(args)
}

fn validate_receiver(sig: &Signature, name: &str, usage: &str, errors: &mut Errors) -> bool {
    match sig.receiver() {
        Some(receiver) => {
            let borrows = match &receiver.kind {
                ReceiverKind::Reference(..) => true,
                ReceiverKind::Typed(_, ty) => is_reference(ty),
                _ => false,
            };
            if !borrows {
                errors.error_at(
                    receiver,
                    format!(
                        "`#[{name}]` borrows the handler, which lives on after the call\nhelp: write {usage}"
                    ),
                );
            }
            borrows
        }
        None => {
            let text = format!("`#[{name}]` on a function without `self`\nhelp: write {usage}");
            match states::misplaced_state(sig) {
                Some((ty, text)) => errors.error_at(ty, text),
                None => errors.error(sig.ident.span(), text),
            }
            false
        }
    }
}

/// Validates an argument, given those before it.
fn validate_argument(ty: &Type, before: &[Arg], kind: Kind) -> Result<Arg, String> {
    let name = kind.name();
    let has_payload = before.iter().any(|arg| matches!(arg, Arg::Payload(_)));
    if is_context(ty, kind) {
        return validate_context(ty, before, kind);
    }
    if let Some(text) = misplaced_argument(ty, kind) {
        return Err(text.into());
    }
    match kind {
        Kind::Open
        | Kind::Drain
        | Kind::Attach
        | Kind::Detach
        | Kind::Every
        | Kind::After
        | Kind::Enter
        | Kind::Leave => {
            return Err(format!("`#[{name}]` takes no argument other than `cx: &mut Context<Self>`"));
        }
        Kind::Close if has_payload => {
            return Err("`#[on_close]` takes no argument other than the reason".into());
        }
        _ if has_payload => {
            return Err(format!("`#[{name}]` takes one argument besides `cx: &mut Context<Self>`"));
        }
        Kind::Close if !is_reference(ty) => {
            return Err("`#[on_close]` takes `&CloseReason`, which contains code and reason".into());
        }
        Kind::Part if is_reference(ty) || is_owned_payload(ty) => {
            return Err("`#[on_part]` takes a `Part<'_>` by value, which borrows its bytes".into());
        }
        Kind::Part if quote::quote!(#ty).to_string().contains("'static") => {
            return Err("a part is borrowed for the call only, not for `'static`".into());
        }
        Kind::Lagged if borrows(ty) || is_reference(ty) => {
            return Err("`#[on_lagged]` takes the number of missed messages, a `u64`".into());
        }
        Kind::Error if !is_reference(ty) => return Err("`#[on_error]` takes `&HandlerError`".into()),
        Kind::Info if borrows(ty) => {
            let owned = match ungroup_type(ty) {
                Type::Reference(reference) => match last_name(&reference.elem) {
                    Some(name) if name != "str" => name,
                    _ => "String".into(),
                },
                _ => String::new(),
            };
            let help = match &*owned {
                "" => "give it owned fields, for example `String` instead of `&str`".to_owned(),
                owned => format!("take `{owned}`, by value"),
            };
            return Err(format!(
                "a message is owned, because its sender does not wait for the handler\nhelp: {help}"
            ));
        }
        Kind::Text | Kind::Binary | Kind::Ping | Kind::Pong => match ungroup_type(ty) {
            Type::Reference(reference) if reference.mutability.is_some() => {
                return Err("a payload cannot be borrowed mutably, because it may be shared".into());
            }
            Type::Reference(reference) if is_static(reference) => {
                return Err("a payload is borrowed for the call only, not for `'static`".into());
            }
            Type::Reference(reference) if is_owned_payload(&reference.elem) => {
                return Err(
                    "a payload is `&str`, `&[u8]` or an owned type, not a reference to an owned type".into(),
                );
            }
            _ => {}
        },
        _ => {}
    }
    if let Type::ImplTrait(_) = ungroup_type(ty) {
        return Err(format!("`#[{name}]` needs the concrete type of its argument"));
    }
    Ok(Arg::Payload(Box::new(ty.clone())))
}

fn validate_context(ty: &Type, before: &[Arg], kind: Kind) -> Result<Arg, String> {
    if names_context(ty) && !has_arguments(ty) {
        return Err("`Context` has the handler as its parameter\nhelp: write `cx: &mut Context<Self>`".into());
    }
    match kind {
        _ if !is_mut_reference(ty) => {
            Err("`cx` is borrowed mutably\nhelp: write `cx: &mut Context<Self>`".into())
        }
        Kind::Close => Err("`#[on_close]` has no `cx`, because nothing can be sent after the close".into()),
        _ if before.iter().any(|arg| matches!(arg, Arg::Context(_))) => {
            Err("a second `cx`\nhelp: remove one of them".into())
        }
        _ => Ok(Arg::Context(ty.span())),
    }
}

/// Returns the advice for a type that belongs elsewhere, such as an extractor.
fn misplaced_argument(ty: &Type, kind: Kind) -> Option<&'static str> {
    if matches!(kind, Kind::Info) {
        return None;
    }
    match last_name(ty)?.as_str() {
        "State" | "Path" | "Query" | "PeerAddr" | "IsTls" | "Subprotocols" | "HeaderMap" | "Extension"
        | "ConnectInfo" => Some(
            "an extractor in an event method, where there is no request\n\
             help: extract it in `#[on_upgrade]`, and store it in a field",
        ),
        "Addr" => {
            Some("the address is not an argument\nhelp: take `cx: &mut Context<Self>`, and call `cx.addr()`")
        }
        _ => None,
    }
}

/// Returns whether the type is the context, or probably an alias of it. The only sign of an alias is
/// a mutable borrow.
fn is_context(ty: &Type, kind: Kind) -> bool {
    if names_context(ty) {
        // A message type may be called `Context` too.
        return is_reference(ty) || !matches!(kind, Kind::Info);
    }
    let Type::Reference(reference) = ungroup_type(ty) else { return false };
    let argument_types = ["str", "u64", "CloseReason", "HandlerError", "Part"];
    reference.mutability.is_some()
        && last_name(&reference.elem).is_some_and(|name| !argument_types.contains(&name.as_str()))
        && !is_owned_payload(&reference.elem)
}

fn has_arguments(ty: &Type) -> bool {
    context_of(ty).is_some_and(|segment| !segment.arguments.is_none())
}

fn is_owned_payload(ty: &Type) -> bool {
    let payloads = ["String", "Utf8Bytes", "Vec", "Bytes", "Json"];
    last_name(ty).is_some_and(|name| payloads.contains(&name.as_str()))
}

/// Returns the signature that the attribute expects.
pub(super) fn usage_hint(sig: &Signature, kind: Kind) -> String {
    if kind.is_named() {
        return named::usage_hint(sig, kind);
    }
    let keyword = if sig.asyncness.is_some() { "async fn" } else { "fn" };
    let name = &sig.ident;
    let receiver = states::receiver_hint(sig, kind);
    let arguments = match kind {
        Kind::Open
        | Kind::Drain
        | Kind::Attach
        | Kind::Detach
        | Kind::Every
        | Kind::After
        | Kind::Enter
        | Kind::Leave => "",
        Kind::Text => ", text: &str",
        Kind::Binary => ", bytes: &[u8]",
        Kind::Part => ", part: Part<'_>",
        Kind::Ping | Kind::Pong => ", payload: &[u8]",
        Kind::Info => ", message: MyMessage",
        Kind::Lagged => ", missed: u64",
        Kind::Error => ", error: &HandlerError",
        Kind::Call | Kind::Message => unreachable!("a named method has its own hint"),
        Kind::Close => return format!("`{keyword} {name}({receiver}, reason: &CloseReason)`"),
    };
    format!("`{keyword} {name}({receiver}{arguments})`, with `cx: &mut Context<Self>` if you need it")
}
