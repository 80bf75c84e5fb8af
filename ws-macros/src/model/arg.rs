//! The arguments of an event method.

use proc_macro2::Span;
use syn::Type;

use super::types::{is_named, type_arguments, ungroup_type};

pub(crate) enum Arg {
    /// `cx: &mut Context<Self>`, with the span of its type.
    Context(Span),
    /// The payload, with its type.
    Payload(Box<Type>),
    /// An argument of a named message.
    Named(NamedArg),
}

/// An argument of a named method.
pub(crate) enum NamedArg {
    /// One parameter, with its name and type.
    One(String, Box<Type>),
    /// `Params<T>`: all parameters.
    All(Box<Type>),
}

/// A text argument that borrows.
#[derive(Clone, Copy)]
pub(crate) enum TextArg {
    /// `&str`
    Required,
    /// `Option<&str>`
    Optional,
}

impl NamedArg {
    /// Returns how text is passed that may have escapes, and then cannot be borrowed from the message.
    pub(crate) fn text(&self) -> Option<TextArg> {
        let Self::One(_, ty) = self else { return None };
        let is_str = |ty: &Type| match ungroup_type(ty) {
            Type::Reference(reference) => is_named(&reference.elem, "str"),
            _ => false,
        };
        match ungroup_type(ty) {
            ty if is_str(ty) => Some(TextArg::Required),
            ty if is_named(ty, "Option") && matches!(*type_arguments(ty), [inner] if is_str(inner)) => {
                Some(TextArg::Optional)
            }
            _ => None,
        }
    }

    pub(crate) fn ty(&self) -> &Type {
        match self {
            Self::One(_, ty) | Self::All(ty) => ty,
        }
    }
}
