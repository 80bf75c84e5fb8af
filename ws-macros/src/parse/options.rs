//! `name`, `name = value`, separated by commas.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, Token};

use crate::report::Report;

/// One option of a declaration.
pub(crate) struct Opt {
    pub(crate) name: Ident,
    pub(crate) value: Option<OptValue>,
}

pub(crate) enum OptValue {
    /// `["a", "b"]`
    List(Vec<Expr>, proc_macro2::Span),
    /// Anything else: a literal, a constant, a word.
    Expr(Expr),
}

/// Parses the options; a broken one does not hide the others.
pub(crate) fn options(args: TokenStream, report: &mut Report) -> Vec<Opt> {
    let parser = |input: ParseStream<'_>| {
        let mut options = Vec::new();
        while !input.is_empty() {
            match option(input) {
                Ok(option) => options.push(option),
                Err(error) => {
                    report.add(error);
                    skip_to_comma(input)?;
                }
            }
            if input.is_empty() {
                break;
            }
            if let Err(error) = input.parse::<Token![,]>() {
                report.add(error);
                skip_to_comma(input)?;
                input.parse::<Option<Token![,]>>()?;
            }
        }
        Ok(options)
    };
    let result = parser.parse2(args);
    report.ok(result).unwrap_or_default()
}

fn option(input: ParseStream<'_>) -> syn::Result<Opt> {
    // Any word, so that `type = …` gets the answer of an unknown option.
    let name = input.call(Ident::parse_any)?;
    if !input.peek(Token![=]) {
        return Ok(Opt { name, value: None });
    }
    input.parse::<Token![=]>()?;
    let value = if input.peek(syn::token::Bracket) {
        let content;
        let bracket = syn::bracketed!(content in input);
        let items = Punctuated::<Expr, Token![,]>::parse_terminated(&content)?;
        OptValue::List(items.into_iter().collect(), bracket.span.join())
    } else {
        OptValue::Expr(input.parse()?)
    };
    Ok(Opt { name, value: Some(value) })
}

fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}
