//! The methods of a handler.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, FnArg, GenericParam, Generics, Meta, ReceiverKind, ReturnType, Signature, Type};

use super::{no_lifetimes, value};
use crate::parse::{self, Block, HELPERS, Member, helper_name};
use crate::report::{Report, nearest};

/// A handler with methods that make sense.
pub(crate) struct Machine {
    pub(crate) self_ty: Type,
    pub(crate) generics: Generics,
    pub(crate) upgrade: Option<Upgrade>,
    /// In the order in which they are written; at most one for each event.
    pub(crate) methods: Vec<Method>,
}

/// `#[on_upgrade]`
pub(crate) struct Upgrade {
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) ident: Ident,
    pub(crate) is_async: bool,
    /// The extractors.
    pub(crate) args: Vec<Type>,
    /// Where the return type stands.
    pub(crate) output: Span,
}

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
    pub(crate) output: Span,
}

pub(crate) enum Arg {
    /// `cx: &mut Context<Self>`
    Context,
    /// What the event brings, and its type.
    Payload(Box<Type>),
}

#[derive(Clone)]
pub(crate) enum Event {
    Open,
    Text,
    Binary,
    Ping,
    Pong,
    Info,
    Timer { delay: TokenStream, repeat: bool },
    Error,
    Close,
}

impl Method {
    pub(crate) fn payload(&self) -> Option<&Type> {
        self.args.iter().find_map(|arg| match arg {
            Arg::Payload(ty) => Some(&**ty),
            Arg::Context => None,
        })
    }
}

pub(crate) fn machine(block: &Block, report: &mut Report) -> Option<Machine> {
    if let Some((path, _)) = &block.of_trait {
        report.error_at(
            path,
            "`#[websocket]` on the `impl` of a trait\nhelp: it goes on an `impl` block of the handler itself",
        );
    }
    no_lifetimes(&block.generics, report);
    let mut machine = Machine {
        self_ty: block.self_ty.clone(),
        generics: block.generics.clone(),
        upgrade: None,
        methods: Vec::new(),
    };
    for member in &block.members {
        if let Member::Method(method) = member {
            add(&mut machine, method, report);
        }
    }
    if machine.methods.is_empty() && machine.upgrade.is_none() && report.is_empty() {
        report.error(
            block.impl_token.span,
            "a handler without a method for any event\n\
             help: put `#[on_text]`, `#[on_open]`, `#[every(1s)]`… on a method",
        );
    }
    report.is_empty().then_some(machine)
}

fn add(machine: &mut Machine, method: &parse::Method, report: &mut Report) {
    let Some((helper, more)) = method.helpers.split_first() else { return };
    let Some(name) = helper_name(helper) else { return };
    if !HELPERS.contains(&name.as_str()) {
        report.error_at(helper.path(), unknown(&name));
        return;
    }
    if let Some(second) = more.first() {
        report.error_at(
            second,
            format!(
                "a second event for `{}`, which has `#[{name}]`\nhelp: give each event a method",
                method.sig.ident
            ),
        );
        return;
    }
    check_signature(&method.sig, report);
    let cfgs: Vec<Attribute> =
        method.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect();
    if name == "on_upgrade" {
        no_arguments(helper, &name, report);
        add_upgrade(machine, method, cfgs, report);
        return;
    }
    let Some(event) = event(helper, &name, report) else { return };
    let Some(args) = arguments(&method.sig, &event, &name, report) else { return };
    let clashes = |other: &&Method| {
        // Two that depend on a `cfg` may exclude each other.
        (other.cfgs.is_empty() || cfgs.is_empty()) && clash(other, &event, &args)
    };
    if let Some(first) = machine.methods.iter().find(clashes) {
        let what = match event {
            Event::Info => "messages of this type already go to".to_owned(),
            _ => format!("a second `#[{name}]`; the first is"),
        };
        report.error(method.sig.ident.span(), format!("{what} `{}`", first.ident));
        report.error(first.ident.span(), "the first is here");
        return;
    }
    machine.methods.push(Method {
        cfgs,
        ident: method.sig.ident.clone(),
        variant: variant(&method.sig.ident, &machine.methods),
        event,
        is_async: method.sig.asyncness.is_some(),
        args,
        output: output_span(&method.sig),
    });
}

/// The variant of a method's event: its name in the case of types, so that the expansion reads.
fn variant(ident: &Ident, others: &[Method]) -> Ident {
    let name = ident.to_string();
    let words = name.trim_start_matches("r#").split('_').filter(|word| !word.is_empty());
    let mut camel: String = words
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters)
        })
        .collect();
    // A method `self_` or `_0` would make no name of its own, nor would `tick_1` beside `tick1`.
    if !camel.starts_with(char::is_alphabetic) || camel == "Self" {
        camel.insert_str(0, "On");
    }
    if others.iter().any(|other| other.variant == camel) {
        return format_ident!("{camel}_{}", others.len(), span = ident.span());
    }
    format_ident!("{camel}", span = ident.span())
}

/// Whether two methods want the same event. Timers may be many, and of messages one for each type.
fn clash(other: &Method, event: &Event, args: &[Arg]) -> bool {
    match (&other.event, event) {
        (Event::Timer { .. }, _) => false,
        (Event::Info, Event::Info) => {
            let of = |args: &[Arg]| {
                args.iter().find_map(|arg| match arg {
                    Arg::Payload(ty) => Some(ty.to_token_stream().to_string()),
                    Arg::Context => None,
                })
            };
            of(&other.args) == of(args)
        }
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

fn add_upgrade(machine: &mut Machine, method: &parse::Method, cfgs: Vec<Attribute>, report: &mut Report) {
    let sig = &method.sig;
    if let Some(receiver) = sig.receiver() {
        report.error_at(
            receiver,
            "`#[on_upgrade]` makes the handler, so there is no `self` yet\n\
             help: write an associated function: `async fn join(Path(room): Path<String>) -> Self`",
        );
        return;
    }
    if matches!(sig.output, ReturnType::Default) {
        report.error(
            sig.ident.span(),
            "`#[on_upgrade]` returns nothing\nhelp: return `Self`, `Result<Self, impl IntoResponse>` or `Upgrade<Self>`",
        );
        return;
    }
    if let Some(first) = &machine.upgrade {
        report.error(sig.ident.span(), format!("a second `#[on_upgrade]`; the first is `{}`", first.ident));
        return;
    }
    let args = sig.inputs.iter().filter_map(|arg| match arg {
        FnArg::Typed(arg) => Some((*arg.ty).clone()),
        FnArg::Receiver(_) => None,
    });
    machine.upgrade = Some(Upgrade {
        cfgs,
        ident: sig.ident.clone(),
        is_async: sig.asyncness.is_some(),
        args: args.collect(),
        output: output_span(sig),
    });
}

fn event(helper: &Attribute, name: &str, report: &mut Report) -> Option<Event> {
    Some(match name {
        "every" | "after" => {
            let result = match &helper.meta {
                Meta::List(list) => list.parse_args::<Expr>().and_then(|value| value::duration(&value)),
                other => Err(syn::Error::new_spanned(
                    other,
                    format!("`#[{name}]` without a duration\nhelp: write `#[{name}(1s)]`"),
                )),
            };
            Event::Timer { delay: report.ok(result)?, repeat: name == "every" }
        }
        _ => {
            no_arguments(helper, name, report);
            match name {
                "on_open" => Event::Open,
                "on_text" => Event::Text,
                "on_binary" => Event::Binary,
                "on_ping" => Event::Ping,
                "on_pong" => Event::Pong,
                "on_info" => Event::Info,
                "on_error" => Event::Error,
                _ => Event::Close,
            }
        }
    })
}

fn no_arguments(helper: &Attribute, name: &str, report: &mut Report) {
    if !matches!(helper.meta, Meta::Path(_)) {
        report.error_at(&helper.meta, format!("`#[{name}]` takes no arguments"));
    }
}

/// Rules for every method.
fn check_signature(sig: &Signature, report: &mut Report) {
    if let Some(token) = &sig.constness {
        report.error_at(token, "a method for an event cannot be `const`\nhelp: remove `const`");
    }
    if let syn::Safety::Unsafe(token) = &sig.safety {
        report.error_at(
            token,
            "a method for an event cannot be `unsafe`: the connection calls it\nhelp: remove `unsafe`",
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

/// What the arguments of a method for an event may be.
fn arguments(sig: &Signature, event: &Event, name: &str, report: &mut Report) -> Option<Vec<Arg>> {
    let usage = usage(event, name);
    match sig.receiver().map(|receiver| &receiver.kind) {
        Some(ReceiverKind::Reference(..)) => {}
        Some(_) => {
            report.error_at(
                sig.receiver(),
                format!("`#[{name}]` borrows the handler\nhelp: write `&mut self`: {usage}"),
            );
            return None;
        }
        None => {
            report.error(
                sig.ident.span(),
                format!("`#[{name}]` on a function without `self`\nhelp: write {usage}"),
            );
            return None;
        }
    }
    let mut args = Vec::new();
    for input in &sig.inputs {
        let FnArg::Typed(input) = input else { continue };
        let arg = match &*input.ty {
            Type::Reference(reference) if reference.mutability.is_some() => Arg::Context,
            ty => Arg::Payload(Box::new(ty.clone())),
        };
        let (count, allowed) = match arg {
            Arg::Context => (
                args.iter().filter(|arg| matches!(arg, Arg::Context)).count(),
                !matches!(event, Event::Close),
            ),
            Arg::Payload(_) => (
                args.iter().filter(|arg| matches!(arg, Arg::Payload(_))).count(),
                !matches!(event, Event::Open | Event::Timer { .. }),
            ),
        };
        if count > 0 || !allowed {
            report
                .error_at(&input.ty, format!("`#[{name}]` does not take this argument\nhelp: write {usage}"));
            return None;
        }
        if let (Event::Error | Event::Close, Type::Path(_)) = (event, &*input.ty) {
            report.error_at(&input.ty, format!("`#[{name}]` takes this by reference\nhelp: write {usage}"));
            return None;
        }
        if let Type::ImplTrait(_) = &*input.ty {
            report.error_at(&input.ty, format!("`#[{name}]` needs to know the type\nhelp: write {usage}"));
            return None;
        }
        args.push(arg);
    }
    let needs_payload = matches!(event, Event::Text | Event::Binary | Event::Info | Event::Error);
    if needs_payload && !args.iter().any(|arg| matches!(arg, Arg::Payload(_))) {
        report.error(sig.ident.span(), format!("`#[{name}]` takes an argument\nhelp: write {usage}"));
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

/// The signature that would be right.
fn usage(event: &Event, name: &str) -> String {
    let arguments = match event {
        Event::Open | Event::Timer { .. } => "",
        Event::Text => ", text: &str",
        Event::Binary => ", bytes: &[u8]",
        Event::Ping | Event::Pong => ", payload: &[u8]",
        Event::Info => ", message: Message",
        Event::Error => ", error: &HandlerError",
        Event::Close => return "`fn on_close(&mut self, reason: &CloseReason)`".into(),
    };
    format!("`fn {name}(&mut self{arguments})`, and `cx: &mut Context<Self>` if you need it")
}

/// An attribute that is nearly one of ours.
fn unknown(name: &str) -> String {
    match nearest(name, &HELPERS) {
        Some(near) => format!("unknown attribute `#[{name}]`\nhelp: there is `#[{near}]`"),
        None => {
            let all = HELPERS.join("]`, `#[");
            format!("unknown attribute `#[{name}]`\nhelp: expected one of `#[{all}]`")
        }
    }
}

/// Where the type of a reply stands, or the method's name if it has none.
fn output_span(sig: &Signature) -> Span {
    match &sig.output {
        ReturnType::Default => sig.ident.span(),
        ReturnType::Type(_, ty) => ty.span(),
    }
}
