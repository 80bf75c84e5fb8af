//! The methods of a handler.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident};
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Generics, Meta, ReturnType, Type};

use super::signature::{self, Arg, arguments, is_context, output_span};
use super::{NO_BORROW, borrows, no_lifetimes, one_websocket, path, value};
use crate::parse::{self, Block, HELPERS, Member, helper_name};
use crate::report::{Report, nearest};

/// A handler with methods that make sense.
pub(crate) struct Machine {
    pub(crate) self_ty: Type,
    pub(crate) generics: Generics,
    pub(crate) upgrade: Option<Upgrade>,
    /// In the order in which they are written; at most one for each event.
    pub(crate) methods: Vec<Method>,
    /// Where to say so if the declared path has parameters: nothing takes them.
    pub(crate) path_untaken: Option<Span>,
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
            Arg::Context(_) => None,
        })
    }
}

pub(crate) fn machine(block: &Block, report: &mut Report) -> Option<Machine> {
    one_websocket(&block.websockets, "`impl`", report);
    if let Some((path, _)) = &block.of_trait {
        report.error_at(
            path,
            "`#[websocket]` on the `impl` of a trait\nhelp: it goes on an `impl` block of the handler itself",
        );
    }
    no_lifetimes(&block.generics, report);
    if block.generics.lifetimes().next().is_none() && borrows(&block.self_ty) {
        report.error_at(&block.self_ty, NO_BORROW);
    }
    let mut machine = Machine {
        self_ty: block.self_ty.clone(),
        generics: block.generics.clone(),
        upgrade: None,
        methods: Vec::new(),
        path_untaken: None,
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
    machine.path_untaken = match &machine.upgrade {
        None => Some(block.self_ty.span()),
        // One that is there on a condition is let alone.
        Some(upgrade) if upgrade.cfgs.is_empty() && !upgrade.args.iter().any(path::may_take_path) => {
            Some(upgrade.ident.span())
        }
        Some(_) => None,
    };
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
            second.path(),
            format!(
                "a second event for `{}`, which has `#[{name}]`\nhelp: give each event a method",
                method.sig.ident
            ),
        );
        return;
    }
    signature::check(&method.sig, report);
    let cfgs: Vec<Attribute> =
        method.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect();
    if name == "on_upgrade" {
        no_arguments(helper, &name, report);
        add_upgrade(machine, method, cfgs, report);
        return;
    }
    // Both are looked at, so that both are complained about.
    let (event, sig) = (event(helper, &name, report), &method.sig);
    let Some(args) = arguments(sig, event.as_ref().unwrap_or(&Event::Open), &name, report) else { return };
    let Some(event) = event else { return };
    let clashes = |other: &&Method| {
        // Two that depend on a `cfg` may exclude each other.
        (other.cfgs.is_empty() || cfgs.is_empty()) && clash(other, &event, &args)
    };
    if let Some(first) = machine.methods.iter().find(clashes) {
        let text = match event {
            Event::Info => format!(
                "messages of this type go to `{}` already\n\
                 help: handle them there, or give those that are for `{}` a type of their own",
                first.ident, sig.ident
            ),
            _ => format!(
                "a second `#[{name}]`: `{}` has it already\nhelp: handle both in one method",
                first.ident
            ),
        };
        report.error(sig.ident.span(), text);
        return;
    }
    machine.methods.push(Method {
        cfgs,
        ident: sig.ident.clone(),
        variant: variant(&sig.ident, &machine.methods),
        event,
        is_async: sig.asyncness.is_some(),
        args,
        output: output_span(sig),
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
                    Arg::Context(_) => None,
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
            "`#[on_upgrade]` makes the handler, but returns nothing\n\
             help: return `Self`, `Upgrade<Self>`, or a `Result` of one of them",
        );
        return;
    }
    if let Some(first) = &machine.upgrade {
        report.error(
            sig.ident.span(),
            format!(
                "a second `#[on_upgrade]`: `{}` has it already\nhelp: make the handler in one of them",
                first.ident
            ),
        );
        return;
    }
    let mut args = Vec::new();
    for input in &sig.inputs {
        let FnArg::Typed(input) = input else { continue };
        let why = match &*input.ty {
            ty if is_context(ty) => "there is no `cx` before the connection is open: `#[on_open]` has one",
            Type::Reference(_) => "an extractor is taken by value, not by reference",
            Type::ImplTrait(_) => "`#[on_upgrade]` needs to know the type of an extractor",
            _ => {
                args.push((*input.ty).clone());
                continue;
            }
        };
        report.error_at(
            &input.ty,
            format!(
                "{why}\nhelp: extractors are `Path<T>`, `Query<T>`, `State<T>`, `HeaderMap`, `PeerAddr`…"
            ),
        );
    }
    machine.upgrade = Some(Upgrade {
        cfgs,
        ident: sig.ident.clone(),
        is_async: sig.asyncness.is_some(),
        args,
        output: output_span(sig),
    });
}

fn event(helper: &Attribute, name: &str, report: &mut Report) -> Option<Event> {
    Some(match name {
        "every" | "after" => {
            let result = match &helper.meta {
                Meta::List(list) => value::delay(list, name),
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
        report.error_at(&helper.meta, format!("`#[{name}]` takes no arguments\nhelp: write `#[{name}]`"));
    }
}

/// An attribute that is nearly one of ours.
fn unknown(name: &str) -> String {
    match nearest(name, &HELPERS, &parse::OTHER_NAMES) {
        Some(near) => format!("unknown attribute `#[{name}]`\nhelp: there is `#[{near}]`"),
        None => {
            let all = HELPERS.join("]`, `#[");
            format!("unknown attribute `#[{name}]`\nhelp: expected one of `#[{all}]`")
        }
    }
}
