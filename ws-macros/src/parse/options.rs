//! Grammar of options: `name`, `name = value`, `name(options…)`, separated by commas.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::token::{Bracket, Paren};
use syn::{Expr, Ident, Lit, LitStr, Token};

use crate::errors::Errors;

/// An option of a declaration.
pub(crate) struct Opt {
    pub(crate) name: Ident,
    pub(crate) value: Option<OptValue>,
}

pub(crate) enum OptValue {
    /// `["a", "b"]`
    List(Vec<Expr>, Span),
    /// `(level = 6, …)`, with its span.
    Nested(Vec<Opt>, Span),
    /// A literal, a constant or a keyword.
    Expr(Expr),
    /// Tokens that are not an expression.
    Tokens(TokenStream),
    /// A missing value, or a list that does not parse.
    None(Span),
}

/// Parses the options. An invalid option does not hide errors of the others.
pub(crate) fn parse_options(args: TokenStream, errors: &mut Errors) -> Vec<Opt> {
    let result = (|input: ParseStream<'_>| parse_list(input, errors)).parse2(args);
    errors.collect(result).unwrap_or_default()
}

fn parse_list(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Vec<Opt>> {
    let mut options = Vec::new();
    while !input.is_empty() {
        match parse_option(input, errors) {
            Ok(option) => options.push(option),
            Err(error) => {
                errors.add(error);
                skip_to_comma(input);
            }
        }
        if input.parse::<Option<Token![,]>>()?.is_none() && !input.is_empty() {
            errors.add(input.error(
                "a comma is missing here\nhelp: options are separated by commas: `name = value, name = value`",
            ));
            if !input.peek(Ident::peek_any) {
                skip_to_comma(input);
                input.parse::<Option<Token![,]>>()?;
            }
        }
    }
    Ok(options)
}

fn parse_option(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Opt> {
    if let Some(text) = input.parse::<Option<LitStr>>()? {
        let text = text.to_token_stream();
        let error = format!("a value without a name\nhelp: write `path = {text}`");
        return Err(syn::Error::new_spanned(text, error));
    }
    // Keywords are accepted, so that `type = …` is reported as an unknown option.
    let Ok(name) = input.call(Ident::parse_any) else {
        return Err(
            input.error("expected an option\nhelp: write `name = value`, for example `path = \"/chat\"`")
        );
    };
    if name == "contract" {
        return Err(syn::Error::new(
            name.span(),
            "`contract` describes methods, which the declaration does not have\n\
             help: write `#[websocket(contract)]` above the `impl` block",
        ));
    }
    if (name == "compress" || name == "close_codes" || name == "session") && input.peek(Paren) {
        let content;
        let paren = syn::parenthesized!(content in input);
        let options = parse_list(&content, errors)?;
        return Ok(Opt { name, value: Some(OptValue::Nested(options, paren.span.join())) });
    }
    if input.peek(Token![:]) || input.peek(Paren) {
        return Err(input.error(format!("an option is set with `=`\nhelp: write `{name} = …`")));
    }
    if !input.peek(Token![=]) {
        return Ok(Opt { name, value: None });
    }
    input.parse::<Token![=]>()?;
    Ok(Opt { name, value: Some(parse_value(input)?) })
}

fn parse_value(input: ParseStream<'_>) -> syn::Result<OptValue> {
    let start = input.span();
    if input.peek(Bracket) {
        let content;
        let bracket = syn::bracketed!(content in input);
        let items = Punctuated::<Expr, Token![,]>::parse_terminated(&content);
        // Consumes the remaining tokens, which the parser would report in its own words.
        content.parse::<TokenStream>()?;
        return Ok(match items {
            Ok(items) => OptValue::List(items.into_iter().collect(), bracket.span.join()),
            Err(_) => OptValue::None(bracket.span.join()),
        });
    }
    let lookahead = input.fork();
    if let Ok(value) = lookahead.parse::<Expr>() {
        if lookahead.is_empty() || lookahead.peek(Token![,]) {
            input.advance_to(&lookahead);
            return Ok(OptValue::Expr(value));
        }
        if !is_unit(&value, &lookahead) && lookahead.peek(Ident::peek_any) {
            // The next word probably starts the next option.
            input.advance_to(&lookahead);
            return Ok(OptValue::Expr(value));
        }
    }
    let tokens = skip_to_comma(input);
    Ok(if tokens.is_empty() { OptValue::None(start) } else { OptValue::Tokens(tokens) })
}

/// Returns whether a word that is probably a unit follows a number.
fn is_unit(value: &Expr, lookahead: ParseStream<'_>) -> bool {
    let number = matches!(value, Expr::Lit(lit) if matches!(lit.lit, Lit::Int(_) | Lit::Float(_)));
    number && lookahead.peek(Ident::peek_any) && !lookahead.peek2(Token![=])
}

/// Skips to the next comma and returns the skipped tokens.
fn skip_to_comma(input: ParseStream<'_>) -> TokenStream {
    let mut skipped = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        match input.parse::<TokenTree>() {
            Ok(token) => skipped.extend([token]),
            Err(_) => break,
        }
    }
    skipped
}
