//! Options with parameters that may be off: `compress(level = 6)`, `session(resume = 30s)`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::spanned::Spanned;

use super::usage::invalid_value;
use super::value::keyword;
use crate::errors::Errors;
use crate::parse::{Opt, OptValue, suggest};

/// What an option with parameters allows.
pub(super) struct Parameters<'a> {
    pub(super) option: &'a str,
    /// The value of the option without parameters.
    pub(super) default: TokenStream,
    pub(super) names: &'a [&'a str],
    /// Names of the parameters elsewhere.
    pub(super) other_names: &'a [(&'a str, &'a [&'a str])],
    /// Returns an example of a parameter.
    pub(super) usage_hint: fn(&str) -> &'static str,
    /// Returns the value of a parameter whose name is known.
    pub(super) value: fn(&Opt) -> syn::Result<TokenStream>,
}

impl Parameters<'_> {
    /// Returns the value of the option in `Options`.
    pub(super) fn validate(&self, value: Option<&OptValue>, errors: &mut Errors) -> Option<TokenStream> {
        let default = &self.default;
        let given: &[Opt] = match value {
            None => &[],
            Some(OptValue::Nested(given, _)) => given,
            Some(OptValue::Expr(value)) if keyword(value).as_deref() == Some("none") => {
                return Some(quote!(::core::option::Option::None));
            }
            Some(OptValue::List(_, span) | OptValue::None(span)) => return self.refuse(*span, errors),
            Some(OptValue::Expr(value)) => return self.refuse(value.span(), errors),
            Some(OptValue::Tokens(tokens)) => return self.refuse(tokens.span(), errors),
        };
        if given.is_empty() {
            return Some(quote!(::core::option::Option::Some(#default)));
        }
        let variable = format_ident!("{}", self.option);
        let mut settings = Vec::new();
        let mut seen = Vec::new();
        for parameter in given {
            let name = &parameter.name;
            if seen.contains(&name) {
                let text = format!("`{name}` of `{}` is set twice\nhelp: keep one of them", self.option);
                errors.error(name.span(), text);
                continue;
            }
            seen.push(name);
            let set = self.validate_parameter(parameter);
            settings.extend(errors.collect(set).map(|value| quote!(#variable.#name = #value;)));
        }
        // The block keeps the variable apart from names in the user's expressions.
        Some(quote!({
            let mut #variable = #default;
            #(#settings)*
            ::core::option::Option::Some(#variable)
        }))
    }

    fn refuse(&self, span: proc_macro2::Span, errors: &mut Errors) -> Option<TokenStream> {
        errors.add(invalid_value(span, self.option));
        None
    }

    fn validate_parameter(&self, parameter: &Opt) -> syn::Result<TokenStream> {
        let Self { option, names, other_names, usage_hint, .. } = self;
        let name = parameter.name.to_string();
        if names.contains(&name.as_str()) {
            return (self.value)(parameter);
        }
        let help = match suggest(&name, names, other_names) {
            Some(near) => format!("write {}", usage_hint(near)),
            None => format!("its parameters are `{}`", names.join("`, `")),
        };
        let text = format!("unknown parameter `{name}` of `{option}`\nhelp: {help}");
        Err(syn::Error::new(parameter.name.span(), text))
    }
}
