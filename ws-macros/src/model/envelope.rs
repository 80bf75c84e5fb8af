//! Validation of the options `envelope` and `sends`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{Expr, ExprCall, ExprLit, Lit, LitStr, Path, Type};

use super::usage::{invalid_value, usage_hint};
use super::value::{keyword, ungroup_expr};
use crate::parse::{OptValue, suggest};

/// The envelope of a handler.
pub(crate) struct Envelope {
    /// The type, without the arguments that `tags` adds.
    pub(crate) ty: TokenStream,
    pub(crate) span: Span,
    /// The names of `Tagged(tag = …, content = …)`.
    pub(crate) tags: Option<Tags>,
}

/// The members of a tagged message.
pub(crate) struct Tags {
    pub(crate) tag: Option<LitStr>,
    pub(crate) content: Option<LitStr>,
}

/// Returns the value of `envelope`: a type, or a call like `Tagged(tag = "event")`.
pub(super) fn validate_envelope(value: &OptValue, name: Span) -> syn::Result<Envelope> {
    match value {
        OptValue::Expr(value) => match ungroup_expr(value) {
            Expr::Path(_) if matches!(keyword(value).as_deref(), Some("none" | "None" | "json" | "off")) => {
                Err(invalid_value(value.span(), "envelope"))
            }
            Expr::Path(path) => Ok(Envelope { ty: path.to_token_stream(), span: path.span(), tags: None }),
            Expr::Call(call) => validate_tags(call),
            _ => Err(invalid_value(value.span(), "envelope")),
        },
        // `Tagged<Names>` is a type, but not an expression.
        OptValue::Tokens(tokens) => match syn::parse2::<Type>(tokens.clone()) {
            Ok(ty @ Type::Path(_)) => Ok(Envelope { ty: quote!(#ty), span: ty.span(), tags: None }),
            _ => Err(invalid_value(tokens.span(), "envelope")),
        },
        OptValue::List(_, span) | OptValue::Nested(_, span) => Err(invalid_value(*span, "envelope")),
        OptValue::None(_) => Err(invalid_value(name, "envelope")),
    }
}

fn validate_tags(call: &ExprCall) -> syn::Result<Envelope> {
    if !matches!(ungroup_expr(&call.func), Expr::Path(_)) || call.args.is_empty() {
        return Err(invalid_value(call.span(), "envelope"));
    }
    let mut tags = Tags { tag: None, content: None };
    for arg in &call.args {
        let Expr::Assign(assign) = ungroup_expr(arg) else {
            return Err(invalid_value(arg.span(), "envelope"));
        };
        let member = keyword(&assign.left).unwrap_or_default();
        let slot = match member.as_str() {
            "tag" => &mut tags.tag,
            "content" => &mut tags.content,
            _ => {
                let others: [(&str, &[&str]); 2] =
                    [("tag", &["type", "name", "event", "key"]), ("content", &["data", "params", "payload"])];
                let help = match suggest(&member, &["tag", "content"], &others) {
                    Some(near) => {
                        format!("write `{near} = \"…\"`, with the name of the member in the messages")
                    }
                    None => "the members are `tag` and `content`".to_owned(),
                };
                return Err(syn::Error::new(
                    assign.left.span(),
                    format!("unknown member `{member}`\nhelp: {help}"),
                ));
            }
        };
        let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = ungroup_expr(&assign.right) else {
            return Err(invalid_value(assign.right.span(), "envelope"));
        };
        if text.value().is_empty() {
            return Err(syn::Error::new(
                text.span(),
                format!(
                    "an empty name\nhelp: write the member of the messages, for example `{member} = \"event\"`"
                ),
            ));
        }
        if slot.replace(text.clone()).is_some() {
            return Err(syn::Error::new(
                assign.left.span(),
                format!("`{member}` is set twice\nhelp: keep one of them"),
            ));
        }
    }
    let tag = tags.tag.as_ref().map_or_else(|| "type".to_owned(), LitStr::value);
    if let Some(text) = &tags.content
        && text.value() == tag
    {
        return Err(syn::Error::new(
            text.span(),
            format!(
                "`{tag}` cannot hold both the name and the content\nhelp: write {}",
                usage_hint("envelope")
            ),
        ));
    }
    for text in tags.tag.iter().chain(&tags.content) {
        if matches!(text.value().as_str(), "id" | "result" | "error") {
            return Err(syn::Error::new(
                text.span(),
                format!(
                    "`{}` is a member of calls and answers\nhelp: choose another name, for example `event` or `data`",
                    text.value()
                ),
            ));
        }
    }
    Ok(Envelope { ty: call.func.to_token_stream(), span: call.func.span(), tags: Some(tags) })
}

/// Returns the value of `sends`: the path of an enum.
pub(super) fn validate_sends(value: &OptValue, name: Span) -> syn::Result<Path> {
    match value {
        OptValue::Expr(value) => match ungroup_expr(value) {
            Expr::Path(_) if matches!(keyword(value).as_deref(), Some("none" | "None" | "any")) => {
                Err(syn::Error::new(
                    value.span(),
                    "not a type of messages\nhelp: leave `sends` out, so that the handler may send any reply",
                ))
            }
            Expr::Path(path) => Ok(path.path.clone()),
            _ => Err(invalid_value(value.span(), "sends")),
        },
        OptValue::List(_, span) => Err(syn::Error::new(
            *span,
            "more than one type\nhelp: put all messages of the handler into one `enum` with `#[derive(Messages)]`",
        )),
        OptValue::Nested(_, span) => Err(invalid_value(*span, "sends")),
        OptValue::Tokens(tokens) => Err(invalid_value(tokens.span(), "sends")),
        OptValue::None(_) => Err(invalid_value(name, "sends")),
    }
}

impl Tags {
    /// Returns the name of the generated type that holds the names.
    pub(crate) fn ident() -> Ident {
        Ident::new("__Tags", Span::call_site())
    }
}
