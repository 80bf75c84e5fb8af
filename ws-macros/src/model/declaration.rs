//! Validation of the options of a declared handler.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Generics, Lit, Path, Type};

use super::envelope::{Envelope, validate_envelope, validate_sends};
use super::usage::{OPTIONS, invalid_value, unknown_option, usage_hint};
use super::value::{keyword, ungroup_expr};
use super::{
    close_codes, compress, one_per, reject_lifetimes, reject_repeated_websocket, session, string_list, value,
};
use crate::errors::Errors;
use crate::parse::{self, Opt, OptValue};

/// A declared handler with valid options.
pub(crate) struct Declaration {
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    pub(crate) path: Option<TokenStream>,
    /// The constant of type `Options` that the settings override.
    pub(crate) base: Option<TokenStream>,
    pub(crate) envelope: Option<Envelope>,
    /// The type of `sends`.
    pub(crate) sends: Option<Path>,
    /// Fields of `Options` with their values.
    pub(crate) settings: Vec<(Ident, TokenStream)>,
    /// The variants that are states, with their types.
    pub(crate) states: Vec<(Ident, Type)>,
}

pub(crate) fn validate_declaration(
    item: &parse::DeclarationItem,
    options: Vec<Opt>,
    errors: &mut Errors,
) -> Option<Declaration> {
    reject_repeated_websocket(&item.websockets, "type", errors);
    reject_lifetimes(&item.generics, errors);
    let mut model = Declaration {
        ident: item.ident.clone(),
        generics: item.generics.clone(),
        path: None,
        base: None,
        envelope: None,
        sends: None,
        settings: Vec::new(),
        states: super::states::state_variants(item),
    };
    errors.collect(check_outbox_sizes(&options));
    let mut seen: Vec<Ident> = Vec::new();
    for option in options {
        if let Some(first) = seen.iter().find(|name| **name == option.name) {
            errors
                .error(option.name.span(), format!("option `{first}` is set twice\nhelp: keep one of them"));
            continue;
        }
        seen.push(option.name.clone());
        if option.name == "compress" {
            let compress = compress::validate_compress(option.value.as_ref(), errors);
            model.settings.extend(compress.map(|tokens| (option.name, tokens)));
            continue;
        }
        if option.name == "session" {
            let session = session::validate_session(option.value.as_ref(), errors);
            model.settings.extend(session.map(|tokens| (option.name, tokens)));
            continue;
        }
        if option.name == "close_codes" {
            let codes = close_codes::validate_close_codes(&option, errors);
            model.settings.extend(codes.map(|tokens| (option.name, tokens)));
            continue;
        }
        if let ("envelope", Some(value)) = (option.name.to_string().as_str(), &option.value) {
            model.envelope = errors.collect(validate_envelope(value, option.name.span()));
            continue;
        }
        if let ("sends", Some(value)) = (option.name.to_string().as_str(), &option.value) {
            model.sends = errors.collect(validate_sends(value, option.name.span()));
            continue;
        }
        let result = validate_option(&option);
        match errors.collect(result) {
            Some(Setting::Path(path)) => model.path = Some(path),
            Some(Setting::Base(base)) => model.base = Some(base),
            Some(Setting::Field(tokens)) => model.settings.push((option.name, tokens)),
            None => {}
        }
    }
    let named = |name: &str| seen.iter().find(|seen| *seen == name);
    if let (Some(sends), None) = (named("sends"), named("envelope")) {
        errors.error(
            sends.span(),
            "`sends` without an envelope, in which the messages are written\n\
             help: write `envelope = JsonRpc` or `envelope = Tagged` beside it",
        );
    }
    if let (Some(on_second), None, None) = (named("on_second"), named("one_per"), named("options")) {
        errors.error(
            on_second.span(),
            "`on_second` without `one_per`, the tags of which one connection may have each\n\
             help: write `one_per = \"user\"` beside it",
        );
    }
    errors.is_empty().then_some(model)
}

/// Checks that literal outbox sizes do not contradict each other. The compiler checks constants.
fn check_outbox_sizes(options: &[Opt]) -> syn::Result<()> {
    let given = |name: &str| options.iter().find(|option| option.name == name);
    let bytes = |option: Option<&Opt>, default| match option.map(|option| &option.value) {
        Some(Some(OptValue::Expr(value))) => value::bytes(value),
        Some(_) => None,
        None => given("options").is_none().then_some(default),
    };
    let (high_water, limit) = (given("outbox_high_water"), given("outbox_limit"));
    let span = high_water.or(limit).map_or_else(Span::call_site, |option| option.name.span());
    match (bytes(high_water, 64 << 10), bytes(limit, 1 << 20)) {
        (Some(first), Some(second)) if first > second => {
            let defaults = match (high_water, limit) {
                (Some(_), Some(_)) => "",
                (Some(_), None) => ", which is 1MiB by default",
                _ => "; the high-water mark is 64KiB by default",
            };
            Err(syn::Error::new(
                span,
                format!(
                    "`outbox_high_water` is above `outbox_limit`{defaults}\n\
                     help: reading stops at the high-water mark, and the connection closes at the limit: make the limit larger"
                ),
            ))
        }
        _ => Ok(()),
    }
}

enum Setting {
    Path(TokenStream),
    Base(TokenStream),
    Field(TokenStream),
}

fn validate_option(option: &Opt) -> syn::Result<Setting> {
    let name = option.name.to_string();
    let span = option.name.span();
    if !OPTIONS.contains(&name.as_str()) {
        return Err(syn::Error::new(span, unknown_option(&name)));
    }
    let Some(given) = &option.value else {
        if matches!(name.as_str(), "legacy" | "bullet") {
            return Ok(Setting::Field(quote!(true)));
        }
        return Err(syn::Error::new(
            span,
            format!("`{name}` has no value\nhelp: write {}", usage_hint(&name)),
        ));
    };
    if let OptValue::Expr(value) = given {
        reject_none(value, &name)?;
    }
    let field = match (name.as_str(), given) {
        ("path", OptValue::Expr(value)) => return path(value).map(Setting::Path),
        ("options", OptValue::Expr(value)) => return base(value).map(Setting::Base),
        ("subprotocols", OptValue::List(items, _)) => string_list::subprotocols(items)?,
        ("subprotocols", OptValue::Expr(value @ Expr::Path(_))) => quote!(#value),
        ("origins", OptValue::List(items, _)) => {
            let list = string_list::origins(items)?;
            quote!(__ws::Origins::List(#list))
        }
        ("origins", OptValue::Expr(value)) => match keyword(value).as_deref() {
            Some("any") => quote!(__ws::Origins::Any),
            Some("same_host") => quote!(__ws::Origins::SameHost),
            Some("localhost") => quote!(__ws::Origins::Localhost),
            _ if matches!(ungroup_expr(value), Expr::Path(_)) => quote!(__ws::Origins::List(#value)),
            _ => return Err(invalid_value(value.span(), &name)),
        },
        ("unhandled", OptValue::Expr(value)) => {
            let variant = match keyword(value).as_deref() {
                Some("close") => format_ident!("Close"),
                Some("ignore") => format_ident!("Ignore"),
                _ => return Err(invalid_value(value.span(), &name)),
            };
            quote!(__ws::Unhandled::#variant)
        }
        ("one_per", OptValue::Expr(value)) => one_per::one_per(value)?,
        ("on_second", OptValue::Expr(value)) => one_per::on_second(value)?,
        ("overflow", OptValue::Expr(value)) => overflow(value)?,
        ("validate_utf8" | "legacy" | "bullet", OptValue::Expr(value)) => match value {
            Expr::Lit(ExprLit { lit: Lit::Bool(on), .. }) => quote!(#on),
            Expr::Path(_) if !matches!(keyword(value).as_deref(), Some("on" | "off")) => quote!(#value),
            _ => return Err(invalid_value(value.span(), &name)),
        },
        (
            "idle_timeout" | "ping_interval" | "max_lifetime" | "max_frame_size" | "max_message_rate"
            | "max_control_rate" | "send_buffer",
            OptValue::Expr(value),
        ) if matches!(keyword(value).as_deref(), Some("none" | "None")) => {
            quote!(::core::option::Option::None)
        }
        ("idle_timeout" | "ping_interval" | "max_lifetime", OptValue::Expr(value)) => {
            let value = value::duration(value)?;
            quote!(::core::option::Option::Some(#value))
        }
        ("unsent_limit", OptValue::Expr(value)) => match keyword(value).as_deref() {
            Some("none" | "None") => quote!(__ws::UnsentLimit::Unlimited),
            Some("by_overflow") => quote!(__ws::UnsentLimit::ByOverflow),
            _ => {
                let value = value::size(value)?;
                quote!(__ws::UnsentLimit::Bytes(#value))
            }
        },
        ("max_frame_size" | "send_buffer", OptValue::Expr(value)) => {
            let value = value::size(value)?;
            quote!(::core::option::Option::Some(#value))
        }
        ("max_message_rate" | "max_control_rate", OptValue::Expr(value)) => {
            let value = count(value, &name)?;
            quote!(::core::option::Option::Some(#value))
        }
        ("pong_timeout", OptValue::Expr(value)) => value::duration(value)?,
        ("close_timeout" | "cancel_timeout", OptValue::Expr(value)) => value::duration_or_zero(value)?,
        (
            "max_message_size" | "outbox_high_water" | "outbox_limit" | "read_ahead" | "discard_limit",
            OptValue::Expr(value),
        ) => value::size(value)?,
        ("mailbox" | "max_deferred" | "max_pending_calls", OptValue::Expr(value)) => count(value, &name)?,
        (_, OptValue::Expr(value)) => return Err(invalid_value(value.span(), &name)),
        (_, OptValue::List(_, span) | OptValue::Nested(_, span) | OptValue::None(span)) => {
            return Err(invalid_value(*span, &name));
        }
        (_, OptValue::Tokens(tokens)) => {
            let apart = match name.as_str() {
                "idle_timeout" | "ping_interval" | "pong_timeout" | "max_lifetime" | "close_timeout"
                | "cancel_timeout" => value::spaced_duration_hint(tokens),
                _ => value::spaced_size_hint(tokens),
            };
            let text = apart.unwrap_or_else(|| invalid_value(span, &name).to_string());
            return Err(syn::Error::new_spanned(tokens, text));
        }
    };
    Ok(Setting::Field(field))
}

/// Rejects `none` for an option that always has a value.
fn reject_none(value: &Expr, name: &str) -> syn::Result<()> {
    match (keyword(value).as_deref(), name) {
        (
            Some("none" | "None"),
            "pong_timeout" | "close_timeout" | "cancel_timeout" | "max_message_size" | "outbox_high_water"
            | "outbox_limit" | "read_ahead" | "discard_limit" | "mailbox" | "max_deferred"
            | "max_pending_calls",
        ) => Err(syn::Error::new(
            value.span(),
            format!("`{name}` cannot be switched off\nhelp: write {}", usage_hint(name)),
        )),
        _ => Ok(()),
    }
}

/// Returns the constant of `options`.
fn base(value: &Expr) -> syn::Result<TokenStream> {
    let is_default_call = |call: &Expr| matches!(call, Expr::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "default"));
    match ungroup_expr(value) {
        Expr::Call(call) if is_default_call(&call.func) => Err(syn::Error::new_spanned(
            value,
            "not a constant, because `default()` runs when the program does\n\
             help: write `options = Options::DEFAULT`, or a `const` that starts with it",
        )),
        Expr::Path(_) if matches!(keyword(value).as_deref(), Some("none" | "None" | "default")) => {
            Err(invalid_value(value.span(), "options"))
        }
        Expr::Path(_) | Expr::Call(_) | Expr::Macro(_) | Expr::Block(_) | Expr::Const(_) => {
            Ok(quote_spanned!(value.span()=> #value))
        }
        _ => Err(invalid_value(value.span(), "options")),
    }
}

/// Returns the value of `overflow`.
fn overflow(value: &Expr) -> syn::Result<TokenStream> {
    let variant = match keyword(value).as_deref() {
        Some("close") => format_ident!("Close"),
        Some("drop_oldest") => format_ident!("DropOldest"),
        Some("drop_newest") => format_ident!("DropNewest"),
        Some("latest") => format_ident!("Latest"),
        // An incomplete keyword.
        Some("drop") => {
            let text = "`overflow` needs to name the message that is dropped\n\
                        help: write `overflow = drop_oldest`, for that which waits longest, or `overflow = drop_newest`";
            return Err(syn::Error::new(value.span(), text));
        }
        _ => return Err(invalid_value(value.span(), "overflow")),
    };
    Ok(quote!(__ws::Overflow::#variant))
}

/// Returns a count above zero.
fn count(value: &Expr, name: &str) -> syn::Result<TokenStream> {
    match ungroup_expr(value) {
        Expr::Lit(ExprLit { lit: Lit::Int(lit), .. }) if lit.suffix().is_empty() => {
            let zero = match name {
                "mailbox" => "a mailbox holds at least one message",
                "max_deferred" => "a connection that may run no future refuses every `Deferred` reply",
                "max_pending_calls" => "a connection without pending calls cannot call its client",
                _ => "a rate of zero would close every connection",
            };
            match lit.base10_parse::<u64>() {
                Ok(0) => {
                    Err(syn::Error::new(lit.span(), format!("{zero}\nhelp: write {}", usage_hint(name))))
                }
                // The compiler reports a literal that is too large for its type.
                _ => Ok(quote!(#lit)),
            }
        }
        Expr::Lit(_) => Err(invalid_value(value.span(), name)),
        // `100/s` is a common way to write a rate.
        Expr::Binary(per) if matches!(keyword(&per.right).as_deref(), Some("s" | "sec" | "second")) => {
            Err(invalid_value(value.span(), name))
        }
        constant => Ok(quote!(#constant)),
    }
}

fn path(value: &Expr) -> syn::Result<TokenStream> {
    match ungroup_expr(value) {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
            super::path::check_pattern(&text.value()).map_err(|why| syn::Error::new(text.span(), why))?;
            Ok(quote!(#text))
        }
        Expr::Path(_) | Expr::Macro(_) | Expr::Call(_) | Expr::Block(_) => Ok(quote!(#value)),
        _ => Err(invalid_value(value.span(), "path")),
    }
}
