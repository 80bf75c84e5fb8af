//! Validation of the methods of a handler.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Attribute, Generics, Type};

use super::contract::Contract;
use super::kind::Kind;
use super::method::{Method, validate_method};
use super::path::{PathUse as Use, infer_path_use};
use super::states::{of_state, text};
use super::types::borrows;
use super::upgrade::{Upgrade, validate_upgrade};
use super::{Event, NO_BORROW, reject_lifetimes, reject_repeated_websocket};
use crate::errors::Errors;
use crate::parse::suggest;
use crate::parse::{self, Block, HELPERS, Member};

pub(crate) use super::path::PathUse;

/// A handler with valid methods.
pub(crate) struct HandlerImpl {
    pub(crate) self_ty: Type,
    pub(crate) generics: Generics,
    /// A single `#[on_upgrade]`, or several under `cfg`s.
    pub(crate) upgrades: Vec<Upgrade>,
    /// Methods in source order, at most one for each event.
    pub(crate) methods: Vec<Method>,
    /// The use of the path's parameters, with the span for an error about it.
    pub(crate) path_use: (PathUse, Span),
    /// Pairs of methods for one event, of which the active `cfg`s may enable only one.
    pub(crate) exclusive: Vec<ExclusivePair>,
    /// The option `contract`.
    pub(crate) contract: Option<Contract>,
}

/// Two methods for one event under `cfg`s. If both are enabled, the compiler reports `text` at `span`.
pub(crate) struct ExclusivePair {
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) span: Span,
    pub(crate) text: String,
}

pub(crate) fn validate_impl(block: &Block, errors: &mut Errors) -> Option<HandlerImpl> {
    reject_repeated_websocket(&block.websockets, "`impl`", errors);
    if let Some((path, _)) = &block.of_trait {
        errors.error_at(
            path,
            "`#[websocket]` on the `impl` of a trait\nhelp: put it on an inherent `impl` block of the handler",
        );
    }
    reject_lifetimes(&block.generics, errors);
    if block.generics.lifetimes().next().is_none() && borrows(&block.self_ty) {
        errors.error_at(&block.self_ty, NO_BORROW);
    }
    let mut handler = HandlerImpl {
        self_ty: block.self_ty.clone(),
        generics: block.generics.clone(),
        upgrades: Vec::new(),
        methods: Vec::new(),
        path_use: (Use::Unknown, Span::call_site()),
        exclusive: Vec::new(),
        contract: None,
    };
    for member in &block.members {
        if let Member::Method(method) = member {
            handler.add(method, errors);
        }
    }
    let is_whole = block.members.iter().all(|member| !matches!(member, Member::Broken(_)));
    if handler.methods.is_empty() && handler.upgrades.is_empty() && errors.is_empty() && is_whole {
        errors.error(
            block.impl_token.span,
            "a handler without an event method\n\
             help: put `#[on_text]`, `#[on_open]`, `#[every(1s)]`… on a method",
        );
    }
    handler.path_use = match &*handler.upgrades {
        [] => (Use::Nothing, block.self_ty.span()),
        [upgrade] if upgrade.cfgs.is_empty() => (infer_path_use(&upgrade.args), upgrade.ident.span()),
        // The path cannot be checked for constructors under `cfg`s.
        _ => (Use::Unknown, Span::call_site()),
    };
    errors.is_empty().then_some(handler)
}

impl HandlerImpl {
    fn add(&mut self, source: &parse::ImplMethod, errors: &mut Errors) {
        let Some((helper, more)) = source.helpers.split_first() else { return };
        let name = parse::attribute_name(helper);
        if let Some(hidden) = parse::cfg_attr_helper(helper) {
            errors.error_at(
                &hidden,
                format!("`cfg_attr` around `{hidden}`\nhelp: write `#[{hidden}]`, and put `#[cfg(…)]` on the method"),
            );
            return;
        }
        if !HELPERS.contains(&name.as_str()) {
            errors.error_at(helper.path(), unknown_attribute(&name));
            return;
        }
        if let Some(second) = more.first() {
            errors.error_at(
                second.path(),
                format!(
                    "a second event attribute on `{}`, which has `#[{name}]`\nhelp: write a method for each event",
                    source.sig.ident
                ),
            );
            return;
        }
        match Kind::named(&name) {
            None => self.add_upgrade(source, helper, errors),
            Some(kind) => {
                if let Some(method) = validate_method(source, helper, kind, errors) {
                    self.add_method(method, kind, errors);
                }
            }
        }
    }

    fn add_upgrade(&mut self, source: &parse::ImplMethod, helper: &Attribute, errors: &mut Errors) {
        let Some(upgrade) = validate_upgrade(source, helper, errors) else { return };
        for first in &self.upgrades {
            let text = format!(
                "a second `#[on_upgrade]`: `{}` handles it already\nhelp: create the handler in one of them",
                first.ident
            );
            let pair = (&*first.cfgs, &*upgrade.cfgs, upgrade.ident.span());
            reject_or_defer(pair, text, &mut self.exclusive, errors);
        }
        self.upgrades.push(upgrade);
    }

    fn add_method(&mut self, mut method: Method, kind: Kind, errors: &mut Errors) {
        let mut is_left_out = false;
        for first in self.methods.iter().filter(|first| first.conflicts_with(&method)) {
            let text = match method.event {
                Event::Info if !first.takes_type_of(&method) => format!(
                    "both `Arc<_>` and `Published<_>` of one type: `{}` takes its published values already\n\
                     help: keep one of the methods; `Published` holds the `Arc` and the position",
                    first.ident
                ),
                Event::Info => format!(
                    "a second `#[on_info]` for this type: `{}` handles it already\n\
                     help: handle them there, or give the messages for `{}` their own type",
                    first.ident, method.ident
                ),
                Event::Part | Event::Text | Event::Binary | Event::Named(_)
                    if matches!(first.event, Event::Part) != matches!(method.event, Event::Part) =>
                {
                    let (part, whole) = match method.event {
                        Event::Part => (&method.ident, &first.ident),
                        _ => (&first.ident, &method.ident),
                    };
                    format!(
                        "`#[on_part]` beside a method for whole messages: `{part}` takes the parts of text and \
                         binary messages, so that none is left for `{whole}`\n\
                         help: keep one of them; `part.kind()` is the kind of the message"
                    )
                }
                Event::Text | Event::Binary => format!(
                    "a second `#[{}]`: `{}` handles it already\n\
                     help: handle both in one method; messages of several shapes are one `enum` that is \
                     `Deserialize`, for example with `#[serde(tag = \"type\")]`: take it as `Json<MyMessage>`",
                    kind.name(),
                    first.ident
                ),
                Event::Named(ref name) => repeated_name(first, &method, &name.text, kind),
                _ => format!(
                    "a second `#[{}]`: `{}` handles it already\nhelp: handle both in one method",
                    kind.name(),
                    first.ident
                ),
            };
            let span = method.name().map_or_else(|| method.ident.span(), |name| name.span);
            let text = match of_state(&method.states) {
                state
                    if state.is_empty()
                        || kind.is_named()
                        || text.starts_with("both ")
                        || text.contains("beside a method") =>
                {
                    text
                }
                state => format!(
                    "a second `#[{}]`{state}: `{}` handles it already\nhelp: handle both in one method",
                    kind.name(),
                    first.ident
                ),
            };
            let pair = (&*first.cfgs, &*method.cfgs, span);
            if matches!(method.event, Event::Info) && !first.takes_type_of(&method) {
                // The expansion without the second method leaves no ambiguity to the compiler to report too.
                is_left_out = method.cfgs.is_empty();
                let cfgs = [&*first.cfgs, &*method.cfgs].concat();
                self.exclusive.push(ExclusivePair { cfgs, span: method.ident.span(), text });
                continue;
            }
            reject_or_defer(pair, text, &mut self.exclusive, errors);
        }
        method.is_left_out = is_left_out;
        let is_info = matches!(method.event, Event::Info);
        method.states.follows = is_info && self.methods.iter().any(|first| first.takes_event_of(&method));
        self.check_ignored(&method, kind, errors);
        // `tick_1` and `tick1` become the same variant name.
        if self.methods.iter().any(|other| other.variant == method.variant) {
            let (name, number) = (&method.variant, self.methods.len());
            method.variant = quote::format_ident!("{name}_{number}", span = method.ident.span());
        }
        self.methods.push(method);
    }
}

impl HandlerImpl {
    /// Rejects `ignore` of a state that has a method for the event.
    fn check_ignored(&self, method: &Method, kind: Kind, errors: &mut Errors) {
        let others = self.methods.iter().filter(|other| other.takes_event_of(method));
        for (ignoring, taking) in others
            .flat_map(|other| [(other, method), (method, other)])
            .chain([(method, method)])
            .filter(|_| !matches!(method.event, Event::Timer { .. }))
        {
            let Some(state) = &taking.states.state else { continue };
            // A name of a state and of all states is an error already.
            if kind.is_named() && ignoring.states.state.is_none() {
                continue;
            }
            let ignored = ignoring.states.ignored.iter().find(|ty| text(ty) == text(state));
            if let Some(ignored) = ignored {
                errors.error_at(
                    ignored,
                    format!(
                        "`{}` is ignored, but `{}` takes the `#[{}]` of it\nhelp: remove the `ignore` or the method",
                        text(state),
                        taking.ident,
                        kind.name(),
                    ),
                );
            }
        }
    }
}

/// Rejects two methods for one event, or defers to the compiler if both depend on `cfg`s.
fn reject_or_defer(
    (first, second, span): (&[Attribute], &[Attribute], Span),
    text: String,
    exclusive: &mut Vec<ExclusivePair>,
    errors: &mut Errors,
) {
    if first.is_empty() || second.is_empty() {
        errors.error(span, text);
    } else {
        exclusive.push(ExclusivePair { cfgs: [first, second].concat(), span, text });
    }
}

/// Returns the error text of two methods for one name.
fn repeated_name(first: &Method, second: &Method, name: &str, kind: Kind) -> String {
    let (of_first, of_second) = (of_state(&first.states), of_state(&second.states));
    let (kind, first) = (kind.name(), &first.ident);
    let help = format!("give one of them another name, for example `#[{kind}(\"another.name\")]`");
    if of_first == of_second {
        return format!("a second method{of_first} for `{name}`: `{first}` handles it already\nhelp: {help}");
    }
    format!(
        "methods of a state and of all states for `{name}`: `{first}` handles it already\n\
         help: write a method for each state, or {help}"
    )
}

/// Returns the error text of an unknown attribute.
fn unknown_attribute(name: &str) -> String {
    match suggest(name, &HELPERS, &parse::OTHER_NAMES) {
        Some(near @ ("every" | "after")) => {
            format!("unknown attribute `#[{name}]`\nhelp: write `#[{near}(1s)]`")
        }
        Some(near) => format!("unknown attribute `#[{name}]`\nhelp: write `#[{near}]`"),
        None => {
            let all = HELPERS.join("]`, `#[");
            format!("unknown attribute `#[{name}]`\nhelp: expected one of `#[{all}]`")
        }
    }
}
