//! What the option `contract` needs of an `impl` and its methods.

use proc_macro2::Span;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, ReturnType, Type};

/// The option `contract` with valid values.
pub(crate) struct Contract {
    pub(crate) span: Span,
    pub(crate) version: u32,
    /// The documentation of the `impl`.
    pub(crate) docs: String,
    pub(crate) calls: Vec<Type>,
    pub(crate) sends: Vec<Type>,
    pub(crate) closes: Vec<(u16, LitStr)>,
}

/// The part of a method that only the contract needs.
pub(crate) struct MethodContract {
    /// The documentation of the method.
    pub(crate) docs: String,
    /// The return type. `None` for a method without one.
    pub(crate) output: Option<Type>,
}

impl MethodContract {
    pub(super) fn new(attrs: &[Attribute], output: &ReturnType) -> Self {
        let output = match output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some((**ty).clone()),
        };
        Self { docs: documentation(attrs), output }
    }
}

/// Returns the text of the documentation comments.
pub(super) fn documentation(attrs: &[Attribute]) -> String {
    let lines = attrs.iter().filter(|attr| attr.path().is_ident("doc")).filter_map(|attr| match &attr.meta {
        Meta::NameValue(set) => match &set.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<String> =
        lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect();
    lines.join("\n").trim().to_owned()
}
