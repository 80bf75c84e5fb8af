//! Validation of the parameters of `session`.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::spanned::Spanned;

use super::usage::invalid_value;
use super::value::{self, keyword};
use crate::errors::Errors;
use crate::parse::suggest;
use crate::parse::{Opt, OptValue};

const PARAMETERS: [&str; 2] = ["resume", "buffer"];

/// Names of the parameters in other frameworks.
const OTHER_NAMES: [(&str, &[&str]); 2] = [
    (
        "resume",
        &["timeout", "ttl", "grace", "grace_period", "expiry", "max_disconnection_duration", "lifetime"],
    ),
    ("buffer", &["buffer_size", "max_buffer", "limit", "capacity", "max_bytes"]),
];

/// Returns the value of `Options::session`.
pub(super) fn validate_session(value: Option<&OptValue>, errors: &mut Errors) -> Option<TokenStream> {
    let given = match value {
        None => return Some(quote!(::core::option::Option::Some(__ws::SessionOptions::DEFAULT))),
        Some(OptValue::Nested(given, _)) if given.is_empty() => return validate_session(None, errors),
        Some(OptValue::Nested(given, _)) => given,
        Some(OptValue::Expr(value)) if keyword(value).as_deref() == Some("none") => {
            return Some(quote!(::core::option::Option::None));
        }
        Some(OptValue::List(_, span) | OptValue::None(span)) => {
            errors.add(invalid_value(*span, "session"));
            return None;
        }
        Some(OptValue::Expr(value)) => {
            errors.add(invalid_value(value.span(), "session"));
            return None;
        }
        Some(OptValue::Tokens(tokens)) => {
            errors.add(invalid_value(tokens.span(), "session"));
            return None;
        }
    };
    let mut settings = Vec::new();
    let mut seen: Vec<&Ident> = Vec::new();
    for parameter in given {
        let name = &parameter.name;
        if seen.contains(&name) {
            errors.error(name.span(), format!("`{name}` of `session` is set twice\nhelp: keep one of them"));
            continue;
        }
        seen.push(name);
        let set = validate_parameter(parameter);
        settings.extend(errors.collect(set).map(|value| quote!(session.#name = #value;)));
    }
    // The block keeps the variable apart from names in the user's expressions.
    Some(quote!({
        let mut session = __ws::SessionOptions::DEFAULT;
        #(#settings)*
        ::core::option::Option::Some(session)
    }))
}

fn validate_parameter(parameter: &Opt) -> syn::Result<TokenStream> {
    let name = parameter.name.to_string();
    let span = parameter.name.span();
    if !PARAMETERS.contains(&name.as_str()) {
        let help = match suggest(&name, &PARAMETERS, &OTHER_NAMES) {
            Some(near) => format!("write {}", usage_hint(near)),
            None => format!("its parameters are `{}`", PARAMETERS.join("`, `")),
        };
        return Err(syn::Error::new(span, format!("unknown parameter `{name}` of `session`\nhelp: {help}")));
    }
    let not = |span| {
        let text = format!("not a value of `{name}`\nhelp: write {}", usage_hint(&name));
        syn::Error::new(span, text)
    };
    match &parameter.value {
        None => {
            Err(syn::Error::new(span, format!("`{name}` has no value\nhelp: write {}", usage_hint(&name))))
        }
        Some(OptValue::Expr(value)) if name == "resume" => value::duration(value),
        Some(OptValue::Expr(value)) => value::size(value),
        Some(OptValue::Tokens(tokens)) => {
            let apart = match name.as_str() {
                "resume" => value::spaced_duration_hint(tokens),
                _ => value::spaced_size_hint(tokens),
            };
            Err(syn::Error::new_spanned(tokens, apart.unwrap_or_else(|| not(span).to_string())))
        }
        Some(OptValue::List(_, span) | OptValue::Nested(_, span) | OptValue::None(span)) => Err(not(*span)),
    }
}

/// Returns an example of a parameter.
fn usage_hint(name: &str) -> &'static str {
    match name {
        "resume" => "`session(resume = 30s)`",
        _ => "`session(buffer = 256KiB)`",
    }
}
