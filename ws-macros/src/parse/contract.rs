//! The option of `#[websocket]` on an `impl`: `contract`, or `contract(version = 2, calls = [Confirm])`.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::token::{Bracket, Paren};
use syn::{Ident, LitInt, LitStr, Token, Type, bracketed, parenthesized};

use super::suggest;

const PARAMETERS: [&str; 4] = ["version", "calls", "sends", "closes"];

/// Common guesses of the parameters' names.
const OTHER_NAMES: [(&str, &[&str]); 4] = [
    ("version", &["ver", "v", "number", "revision"]),
    ("calls", &["call", "client_calls", "requests", "asks"]),
    ("sends", &["send", "messages", "replies", "events"]),
    ("closes", &["close", "close_codes", "codes"]),
];

/// The option `contract`, as it is written.
pub(crate) struct ContractOption {
    /// The span of the word.
    pub(crate) span: Span,
    pub(crate) version: Option<LitInt>,
    /// The calls to the client.
    pub(crate) calls: Vec<Type>,
    /// Replies that no method returns.
    pub(crate) sends: Vec<Type>,
    /// Codes with which the handler closes, with their reasons.
    pub(crate) closes: Vec<(LitInt, LitStr)>,
}

/// Parses the option, from its name on.
pub(super) fn parse_contract(input: ParseStream<'_>) -> syn::Result<ContractOption> {
    let span = input.parse::<Ident>()?.span();
    let mut option =
        ContractOption { span, version: None, calls: Vec::new(), sends: Vec::new(), closes: Vec::new() };
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(option);
    }
    if !input.peek(Paren) {
        return Err(
            input.error("parameters of `contract` are in parentheses\nhelp: write `contract(version = 2)`")
        );
    }
    let content;
    parenthesized!(content in input);
    let mut seen: Vec<Ident> = Vec::new();
    while !content.is_empty() {
        let name = content.call(Ident::parse_any)?;
        if seen.contains(&name) {
            let text = format!("`{name}` of `contract` is set twice\nhelp: keep one of them");
            return Err(syn::Error::new(name.span(), text));
        }
        parse_parameter(&name, &content, &mut option)?;
        seen.push(name);
        if content.parse::<Option<Token![,]>>()?.is_none() && !content.is_empty() {
            return Err(content.error("a comma is missing here"));
        }
    }
    Ok(option)
}

fn parse_parameter(name: &Ident, input: ParseStream<'_>, option: &mut ContractOption) -> syn::Result<()> {
    let text = name.to_string();
    if !PARAMETERS.contains(&&*text) {
        let help = match suggest(&text, &PARAMETERS, &OTHER_NAMES) {
            Some(near) => format!("write {}", usage_hint(near)),
            None => format!("its parameters are `{}`", PARAMETERS.join("`, `")),
        };
        let text = format!("unknown parameter `{name}` of `contract`\nhelp: {help}");
        return Err(syn::Error::new(name.span(), text));
    }
    let invalid = |span| {
        let text = format!("not a value of `{name}`\nhelp: write {}", usage_hint(&text));
        syn::Error::new(span, text)
    };
    if !input.peek(Token![=]) {
        return Err(invalid(name.span()));
    }
    input.parse::<Token![=]>()?;
    let span = input.span();
    let parsed = match &*text {
        "version" => input.parse().map(|version| option.version = Some(version)),
        "calls" => parse_list(input).map(|types| option.calls = types),
        "sends" => parse_list(input).map(|types| option.sends = types),
        _ => parse_list(input)
            .map(|codes: Vec<CloseCode>| option.closes = codes.into_iter().map(|code| code.0).collect()),
    };
    parsed.map_err(|_| invalid(span))
}

fn parse_list<T: Parse>(input: ParseStream<'_>) -> syn::Result<Vec<T>> {
    if !input.peek(Bracket) {
        return Err(input.error("expected a list"));
    }
    let content;
    bracketed!(content in input);
    Ok(Punctuated::<T, Token![,]>::parse_terminated(&content)?.into_iter().collect())
}

/// `(4401, "log in first")`
struct CloseCode((LitInt, LitStr));

impl Parse for CloseCode {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let content;
        parenthesized!(content in input);
        let code = content.parse()?;
        content.parse::<Token![,]>()?;
        let reason = content.parse()?;
        content.parse::<Option<Token![,]>>()?;
        if content.is_empty() { Ok(Self((code, reason))) } else { Err(content.error("expected `)`")) }
    }
}

/// Returns an example of a parameter.
pub(crate) fn usage_hint(name: &str) -> &'static str {
    match name {
        "version" => "`contract(version = 2)`",
        "calls" => "`contract(calls = [Confirm])`, with types that are `Call`",
        "sends" => "`contract(sends = [Json<Line>])`, with types of replies",
        _ => "`contract(closes = [(4401, \"log in first\")])`",
    }
}
