//! The methods of a handler.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Attribute, Generics, Type};

use super::kind::Kind;
use super::method::{Method, method};
use super::path::{PathUse as Use, path_use};
use super::types::borrows;
use super::upgrade::{Upgrade, upgrade};
use super::{Event, NO_BORROW, no_lifetimes, one_websocket};
use crate::parse::{self, Block, HELPERS, Member};
use crate::report::{Report, nearest};

pub(crate) use super::path::PathUse;

/// A handler with methods that make sense.
pub(crate) struct Machine {
    pub(crate) self_ty: Type,
    pub(crate) generics: Generics,
    /// One, or several under conditions.
    pub(crate) upgrades: Vec<Upgrade>,
    /// In the order in which they are written; at most one for each event.
    pub(crate) methods: Vec<Method>,
    /// Who takes the parameters of the declared path, and where to say so if that is wrong.
    pub(crate) path_use: (PathUse, Span),
    /// Pairs for one event that may not both be there.
    pub(crate) exclusive: Vec<Both>,
}

/// Two methods for one event, of which the conditions exclude each other; if not, that is an error.
pub(crate) struct Both {
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) span: Span,
    pub(crate) text: String,
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
        upgrades: Vec::new(),
        methods: Vec::new(),
        path_use: (Use::Unknown, Span::call_site()),
        exclusive: Vec::new(),
    };
    for member in &block.members {
        if let Member::Method(method) = member {
            machine.add(method, report);
        }
    }
    let is_whole = block.members.iter().all(|member| !matches!(member, Member::Broken(_)));
    if machine.methods.is_empty() && machine.upgrades.is_empty() && report.is_empty() && is_whole {
        report.error(
            block.impl_token.span,
            "a handler without a method for any event\n\
             help: put `#[on_text]`, `#[on_open]`, `#[every(1s)]`… on a method",
        );
    }
    machine.path_use = match &*machine.upgrades {
        [] => (Use::Nothing, block.self_ty.span()),
        [upgrade] if upgrade.cfgs.is_empty() => (path_use(&upgrade.args), upgrade.ident.span()),
        // Those that are there on a condition are let alone.
        _ => (Use::Unknown, Span::call_site()),
    };
    report.is_empty().then_some(machine)
}

impl Machine {
    fn add(&mut self, source: &parse::Method, report: &mut Report) {
        let Some((helper, more)) = source.helpers.split_first() else { return };
        let name = parse::name(helper);
        if let Some(hidden) = parse::hidden(helper) {
            report.error_at(
                &hidden,
                format!("`cfg_attr` hides `{hidden}`\nhelp: write `#[{hidden}]`, and `#[cfg(…)]` on the whole method"),
            );
            return;
        }
        if !HELPERS.contains(&name.as_str()) {
            report.error_at(helper.path(), unknown(&name));
            return;
        }
        if let Some(second) = more.first() {
            report.error_at(
                second.path(),
                format!(
                    "a second event for `{}`, which has `#[{name}]`\nhelp: give each event a method",
                    source.sig.ident
                ),
            );
            return;
        }
        match Kind::named(&name) {
            None => self.add_upgrade(source, helper, report),
            Some(kind) => {
                if let Some(method) = method(source, helper, kind, report) {
                    self.add_method(method, kind, report);
                }
            }
        }
    }

    fn add_upgrade(&mut self, source: &parse::Method, helper: &Attribute, report: &mut Report) {
        let Some(upgrade) = upgrade(source, helper, report) else { return };
        for first in &self.upgrades {
            let text = format!(
                "a second `#[on_upgrade]`: `{}` has it already\nhelp: make the handler in one of them",
                first.ident
            );
            let both = (&*first.cfgs, &*upgrade.cfgs, upgrade.ident.span());
            exclude(both, text, &mut self.exclusive, report);
        }
        self.upgrades.push(upgrade);
    }

    fn add_method(&mut self, mut method: Method, kind: Kind, report: &mut Report) {
        for first in self.methods.iter().filter(|first| first.clashes(&method)) {
            let text = match method.event {
                Event::Info => format!(
                    "messages of this type go to `{}` already\n\
                     help: handle them there, or give those that are for `{}` a type of their own",
                    first.ident, method.ident
                ),
                _ => format!(
                    "a second `#[{}]`: `{}` has it already\nhelp: handle both in one method",
                    kind.name(),
                    first.ident
                ),
            };
            let both = (&*first.cfgs, &*method.cfgs, method.ident.span());
            exclude(both, text, &mut self.exclusive, report);
        }
        // `tick_1` and `tick1` make the same name.
        if self.methods.iter().any(|other| other.variant == method.variant) {
            let (name, number) = (&method.variant, self.methods.len());
            method.variant = quote::format_ident!("{name}_{number}", span = method.ident.span());
        }
        self.methods.push(method);
    }
}

/// Two for one event: an error, unless both depend on conditions, which the compiler then looks at.
fn exclude(
    (first, second, span): (&[Attribute], &[Attribute], Span),
    text: String,
    exclusive: &mut Vec<Both>,
    report: &mut Report,
) {
    if first.is_empty() || second.is_empty() {
        report.error(span, text);
    } else {
        exclusive.push(Both { cfgs: [first, second].concat(), span, text });
    }
}

/// An attribute that is nearly one of ours.
fn unknown(name: &str) -> String {
    match nearest(name, &HELPERS, &parse::OTHER_NAMES) {
        Some(near @ ("every" | "after")) => {
            format!("unknown attribute `#[{name}]`\nhelp: write `#[{near}(1s)]`")
        }
        Some(near) => format!("unknown attribute `#[{name}]`\nhelp: there is `#[{near}]`"),
        None => {
            let all = HELPERS.join("]`, `#[");
            format!("unknown attribute `#[{name}]`\nhelp: expected one of `#[{all}]`")
        }
    }
}
