//! Validation of the parameters of `session`.

use proc_macro2::TokenStream;
use quote::quote;

use super::parameters::Parameters;
use super::value;
use crate::errors::Errors;
use crate::parse::{Opt, OptValue};

const PARAMETERS: [&str; 3] = ["resume", "buffer", "poll_timeout"];

/// Names of the parameters in other frameworks.
const OTHER_NAMES: [(&str, &[&str]); 3] = [
    (
        "resume",
        &["timeout", "ttl", "grace", "grace_period", "expiry", "max_disconnection_duration", "lifetime"],
    ),
    ("buffer", &["buffer_size", "max_buffer", "limit", "capacity", "max_bytes"]),
    ("poll_timeout", &["poll", "polling", "long_poll", "long_polling_timeout", "poll_interval", "max_poll"]),
];

/// Returns the value of `Options::session`.
pub(super) fn validate_session(value: Option<&OptValue>, errors: &mut Errors) -> Option<TokenStream> {
    let parameters = Parameters {
        option: "session",
        default: quote!(__ws::SessionOptions::DEFAULT),
        names: &PARAMETERS,
        other_names: &OTHER_NAMES,
        usage_hint,
        value: parameter_value,
    };
    parameters.validate(value, errors)
}

/// Returns the value of a known parameter.
fn parameter_value(parameter: &Opt) -> syn::Result<TokenStream> {
    let name = parameter.name.to_string();
    let span = parameter.name.span();
    let not = |span| {
        let text = format!("not a value of `{name}`\nhelp: write {}", usage_hint(&name));
        syn::Error::new(span, text)
    };
    match &parameter.value {
        None => {
            Err(syn::Error::new(span, format!("`{name}` has no value\nhelp: write {}", usage_hint(&name))))
        }
        Some(OptValue::Expr(value)) if name == "buffer" => value::size(value),
        Some(OptValue::Expr(value)) => value::duration(value),
        Some(OptValue::Tokens(tokens)) => {
            let apart = match name.as_str() {
                "buffer" => value::spaced_size_hint(tokens),
                _ => value::spaced_duration_hint(tokens),
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
        "buffer" => "`session(buffer = 256KiB)`",
        _ => "`session(poll_timeout = 25s)`",
    }
}
