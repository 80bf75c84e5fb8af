//! The options of a declared handler.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Generics, Lit};

use super::value::ungroup_expr;
use super::{compress, reject_lifetimes, reject_repeated_websocket, string_list, value};
use crate::parse::{self, Opt, OptValue};
use crate::errors::Errors;
use crate::parse::suggest;

/// A handler with options that make sense.
pub(crate) struct Declaration {
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    pub(crate) path: Option<TokenStream>,
    /// Fields of `Options` and what they are set to.
    pub(crate) settings: Vec<(Ident, TokenStream)>,
}

const OPTIONS: [&str; 22] = [
    "path",
    "subprotocols",
    "idle_timeout",
    "ping_interval",
    "pong_timeout",
    "max_lifetime",
    "max_message_size",
    "max_frame_size",
    "max_message_rate",
    "max_control_rate",
    "validate_utf8",
    "compress",
    "mailbox",
    "overflow",
    "outbox_high_water",
    "outbox_limit",
    "read_ahead",
    "close_timeout",
    "cancel_timeout",
    "unhandled",
    "origins",
    "legacy",
];

/// What other frameworks, Cowboy and people call them.
const OTHER_NAMES: [(&str, &[&str]); 13] = [
    ("path", &["route", "url", "uri", "at"]),
    ("subprotocols", &["protocols", "protocol", "subprotocol"]),
    ("idle_timeout", &["timeout", "inactivity_timeout"]),
    ("ping_interval", &["heartbeat", "heartbeat_interval", "keep_alive", "ping"]),
    ("pong_timeout", &["ping_timeout", "heartbeat_timeout"]),
    (
        "max_message_size",
        &["max_size", "max_payload", "max_payload_length", "message_size", "max_message_length"],
    ),
    (
        "max_message_rate",
        &["rate_limit", "rate", "message_rate", "messages_per_second", "max_messages_per_second", "throttle"],
    ),
    ("max_control_rate", &["ping_rate", "max_ping_rate", "control_rate"]),
    ("compress", &["compression", "deflate", "permessage_deflate", "deflate_opts", "per_message_deflate"]),
    (
        "overflow",
        &[
            "backpressure",
            "slow_consumer",
            "slow_subscriber",
            "on_overflow",
            "overflow_policy",
            "lag",
            "lagged",
            "on_lag",
        ],
    ),
    ("outbox_limit", &["max_backpressure", "max_buffered", "write_buffer_size"]),
    ("origins", &["origin", "allowed_origins", "cors"]),
    ("legacy", &["drafts", "hixie", "hixie76", "hixie_76", "x_webkit_deflate_frame"]),
];

pub(crate) fn validate_declaration(
    item: &parse::Declaration,
    options: Vec<Opt>,
    errors: &mut Errors,
) -> Option<Declaration> {
    reject_repeated_websocket(&item.websockets, "type", errors);
    reject_lifetimes(&item.generics, errors);
    let mut model = Declaration {
        ident: item.ident.clone(),
        generics: item.generics.clone(),
        path: None,
        settings: Vec::new(),
    };
    errors.collect(check_outbox_sizes(&options));
    let mut seen: Vec<Ident> = Vec::new();
    for option in options {
        if let Some(first) = seen.iter().find(|name| **name == option.name) {
            errors.error(
                option.name.span(),
                format!("option `{first}` is given twice\nhelp: keep one of the two"),
            );
            continue;
        }
        seen.push(option.name.clone());
        if option.name == "compress" {
            let compress = compress::validate_compress(option.value.as_ref(), errors);
            model.settings.extend(compress.map(|tokens| (option.name, tokens)));
            continue;
        }
        let result = validate_option(&option);
        match errors.collect(result) {
            Some(Setting::Path(path)) => model.path = Some(path),
            Some(Setting::Field(tokens)) => model.settings.push((option.name, tokens)),
            None => {}
        }
    }
    errors.is_empty().then_some(model)
}

/// Two sizes that are literals, and contradict each other. Constants are looked at by the compiler.
fn check_outbox_sizes(options: &[Opt]) -> syn::Result<()> {
    let given = |name: &str| options.iter().find(|option| option.name == name);
    let bytes = |option: Option<&Opt>, default| match option.map(|option| &option.value) {
        Some(Some(OptValue::Expr(value))) => value::bytes(value),
        Some(_) => None,
        None => Some(default),
    };
    let (high_water, limit) = (given("outbox_high_water"), given("outbox_limit"));
    let span = high_water.or(limit).map_or_else(Span::call_site, |option| option.name.span());
    match (bytes(high_water, 64 << 10), bytes(limit, 1 << 20)) {
        (Some(first), Some(second)) if first > second => {
            let defaults = match (high_water, limit) {
                (Some(_), Some(_)) => "",
                (Some(_), None) => ", which is 1MiB if it is not given",
                _ => "; the first is 64KiB if it is not given",
            };
            Err(syn::Error::new(
                span,
                format!(
                    "`outbox_high_water` is above `outbox_limit`{defaults}\n\
                     help: at the first, reading stops; at the second, the connection closes: make it the larger one"
                ),
            ))
        }
        _ => Ok(()),
    }
}

enum Setting {
    Path(TokenStream),
    Field(TokenStream),
}

fn validate_option(option: &Opt) -> syn::Result<Setting> {
    let name = option.name.to_string();
    let span = option.name.span();
    if !OPTIONS.contains(&name.as_str()) {
        return Err(syn::Error::new(span, unknown_option(&name)));
    }
    let Some(given) = &option.value else {
        if name == "legacy" {
            return Ok(Setting::Field(quote!(true)));
        }
        return Err(syn::Error::new(span, format!("`{name}` has no value\nhelp: write {}", usage_hint(&name))));
    };
    let field = match (name.as_str(), given) {
        ("path", OptValue::Expr(value)) => return path(value).map(Setting::Path),
        ("subprotocols", OptValue::List(items, _)) => string_list::subprotocols(items)?,
        ("subprotocols", OptValue::Expr(value @ Expr::Path(_))) => quote!(#value),
        ("origins", OptValue::List(items, _)) => {
            let list = string_list::origins(items)?;
            quote!(__ws::Origins::List(#list))
        }
        ("origins", OptValue::Expr(value)) => match keyword(value).as_deref() {
            Some("any") => quote!(__ws::Origins::Any),
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
        ("overflow", OptValue::Expr(value)) => overflow(value)?,
        ("validate_utf8" | "legacy", OptValue::Expr(value)) => match value {
            Expr::Lit(ExprLit { lit: Lit::Bool(on), .. }) => quote!(#on),
            Expr::Path(_) if !matches!(keyword(value).as_deref(), Some("on" | "off")) => quote!(#value),
            _ => return Err(invalid_value(value.span(), &name)),
        },
        (
            "idle_timeout" | "ping_interval" | "max_lifetime" | "max_frame_size" | "max_message_rate"
            | "max_control_rate",
            OptValue::Expr(value),
        ) if matches!(keyword(value).as_deref(), Some("none" | "None")) => {
            quote!(::core::option::Option::None)
        }
        ("idle_timeout" | "ping_interval" | "max_lifetime", OptValue::Expr(value)) => {
            let value = value::duration(value)?;
            quote!(::core::option::Option::Some(#value))
        }
        ("max_frame_size", OptValue::Expr(value)) => {
            let value = value::size(value)?;
            quote!(::core::option::Option::Some(#value))
        }
        ("max_message_rate" | "max_control_rate", OptValue::Expr(value)) => {
            let value = count(value, &name)?;
            quote!(::core::option::Option::Some(#value))
        }
        ("pong_timeout", OptValue::Expr(value)) => value::duration(value)?,
        ("close_timeout" | "cancel_timeout", OptValue::Expr(value)) => value::duration_or_zero(value)?,
        ("max_message_size" | "outbox_high_water" | "outbox_limit" | "read_ahead", OptValue::Expr(value)) => {
            value::size(value)?
        }
        ("mailbox", OptValue::Expr(value)) => count(value, &name)?,
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

fn unknown_option(name: &str) -> String {
    let elsewhere = match name {
        "max_connections"
        | "max_connections_per_address"
        | "max_upgrade_rate"
        | "handshake_timeout"
        | "max_header_size"
        | "shutdown_timeout" => {
            "help: it is the router's, for all handlers: `Router::new()` has a method of that name"
        }
        "state" => "help: the router has it: `.with_state(…)`, and `State<T>` in `#[on_upgrade]`",
        _ => "",
    };
    if !elsewhere.is_empty() {
        return format!("unknown option `{name}`\n{elsewhere}");
    }
    match suggest(name, &OPTIONS, &OTHER_NAMES) {
        Some(near) => format!("unknown option `{name}`\nhelp: write {}", usage_hint(near)),
        None => format!("unknown option `{name}`\nhelp: the options are `{}`", OPTIONS.join("`, `")),
    }
}

pub(super) fn invalid_value(span: Span, name: &str) -> syn::Error {
    syn::Error::new(span, format!("not a value of `{name}`\nhelp: write {}", usage_hint(name)))
}

/// How an option is written.
fn usage_hint(name: &str) -> &'static str {
    match name {
        "path" => "`path = \"/chat/{room}\"`",
        "subprotocols" => "`subprotocols = [\"chat.v2\", \"chat.v1\"]`",
        "idle_timeout" => "`idle_timeout = 60s`, or `idle_timeout = none`",
        "ping_interval" => "`ping_interval = 30s`, or `ping_interval = none`",
        "pong_timeout" => "`pong_timeout = 20s`",
        "max_lifetime" => "`max_lifetime = 1h`, or `max_lifetime = none`",
        "max_message_size" => "`max_message_size = 64KiB`",
        "max_frame_size" => "`max_frame_size = 16KiB`, or `max_frame_size = none`",
        "max_message_rate" => "`max_message_rate = 100`, which is a second, or `max_message_rate = none`",
        "max_control_rate" => "`max_control_rate = 100`, which is a second, or `max_control_rate = none`",
        "validate_utf8" => "`validate_utf8 = false`",
        "compress" => "`compress`, or `compress(level = 6, server_no_context_takeover)`",
        "mailbox" => "`mailbox = 1024`",
        "overflow" => {
            "`overflow = close`, `overflow = drop_oldest`, `overflow = drop_newest`, or `overflow = latest`"
        }
        "outbox_high_water" => "`outbox_high_water = 64KiB`",
        "outbox_limit" => "`outbox_limit = 1MiB`",
        "read_ahead" => "`read_ahead = 64KiB`",
        "close_timeout" => "`close_timeout = 5s`",
        "cancel_timeout" => "`cancel_timeout = 1s`",
        "unhandled" => "`unhandled = close`, or `unhandled = ignore`",
        "legacy" => "`legacy`, or `legacy = false`",
        _ => "`origins = [\"https://example.com\"]`, or `origins = any`",
    }
}

/// A single word, as `close`.
fn keyword(value: &Expr) -> Option<String> {
    let Expr::Path(path) = ungroup_expr(value) else { return None };
    path.path.get_ident().map(ToString::to_string)
}

/// What becomes of published messages when too many wait.
fn overflow(value: &Expr) -> syn::Result<TokenStream> {
    let variant = match keyword(value).as_deref() {
        Some("close") => format_ident!("Close"),
        Some("drop_oldest") => format_ident!("DropOldest"),
        Some("drop_newest") => format_ident!("DropNewest"),
        Some("latest") => format_ident!("Latest"),
        // Half of a word that is right.
        Some("drop") => {
            let text = "which message is dropped?\n\
                        help: write `overflow = drop_oldest`, for that which waits longest, or `overflow = drop_newest`";
            return Err(syn::Error::new(value.span(), text));
        }
        _ => return Err(invalid_value(value.span(), "overflow")),
    };
    Ok(quote!(__ws::Overflow::#variant))
}

/// A number that is not zero.
fn count(value: &Expr, name: &str) -> syn::Result<TokenStream> {
    match ungroup_expr(value) {
        Expr::Lit(ExprLit { lit: Lit::Int(lit), .. }) if lit.suffix().is_empty() => {
            let zero = match name {
                "mailbox" => "a mailbox holds at least one message",
                _ => "a client may say at least one thing in a second",
            };
            match lit.base10_parse::<u64>() {
                Ok(0) => Err(syn::Error::new(lit.span(), format!("{zero}\nhelp: write {}", usage_hint(name)))),
                // What is too large for its type, the compiler says.
                _ => Ok(quote!(#lit)),
            }
        }
        Expr::Lit(_) => Err(invalid_value(value.span(), name)),
        // `100/s`.
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
