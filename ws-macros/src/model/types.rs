//! Syntactic properties of types, without name resolution.

use syn::{GenericArgument, PathArguments, ReturnType, Type, TypeParamBound, TypePath};

/// Returns the type inside of parentheses and of invisible groups from `macro_rules!`.
pub(super) fn ungroup_type(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungroup_type(&group.elem),
        Type::Paren(paren) => ungroup_type(&paren.elem),
        other => other,
    }
}

/// Returns the last segment of a path.
pub(super) fn last_name(ty: &Type) -> Option<String> {
    match ungroup_type(ty) {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    }
}

/// Returns whether the last segment of a path is `name`.
pub(super) fn is_named(ty: &Type, name: &str) -> bool {
    last_name(ty).is_some_and(|last| last == name)
}

/// Returns the extractors of an argument: itself, and those inside of an `Option`, a `Result` or a tuple.
pub(super) fn extracted_types(ty: &Type) -> Vec<&Type> {
    let ty = ungroup_type(ty);
    let inner: Vec<&Type> = match ty {
        Type::Tuple(tuple) => tuple.elems.iter().collect(),
        _ if is_named(ty, "Option") || is_named(ty, "Result") => {
            type_arguments(ty).into_iter().take(1).collect()
        }
        _ => Vec::new(),
    };
    std::iter::once(ty).chain(inner.into_iter().flat_map(extracted_types)).collect()
}

/// Returns the type arguments of the last segment of a path.
pub(super) fn type_arguments(ty: &Type) -> Vec<&Type> {
    let Type::Path(path) = ungroup_type(ty) else { return Vec::new() };
    let Some(PathArguments::AngleBracketed(arguments)) =
        path.path.segments.last().map(|last| &last.arguments)
    else {
        return Vec::new();
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect()
}

/// Returns whether a type names a lifetime, for example `&str` or `Command<'_>`. Lifetimes of function
/// types such as `fn(&str)` do not count.
pub(crate) fn borrows(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) => !is_static(reference) || borrows(&reference.elem),
        Type::Group(group) => borrows(&group.elem),
        Type::Paren(paren) => borrows(&paren.elem),
        Type::Array(array) => borrows(&array.elem),
        Type::Slice(slice) => borrows(&slice.elem),
        Type::Tuple(tuple) => tuple.elems.iter().any(borrows),
        Type::Path(path) => path_borrows(path),
        Type::TraitObject(object) => object.bounds.iter().any(bound_borrows),
        Type::ImplTrait(object) => object.bounds.iter().any(bound_borrows),
        _ => false,
    }
}

fn path_borrows(path: &TypePath) -> bool {
    path.qself.as_ref().is_some_and(|qself| borrows(&qself.ty)) || segments_borrow(&path.path)
}

fn segments_borrow(path: &syn::Path) -> bool {
    path.segments.iter().any(|segment| match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => arguments.args.iter().any(|argument| match argument {
            GenericArgument::Lifetime(lifetime) => lifetime.ident != "static",
            GenericArgument::Type(ty) => borrows(ty),
            GenericArgument::AssocType(assoc) => borrows(&assoc.ty),
            _ => false,
        }),
        _ => false,
    })
}

fn bound_borrows(bound: &TypeParamBound) -> bool {
    match bound {
        TypeParamBound::Lifetime(lifetime) => lifetime.ident != "static",
        TypeParamBound::Trait(bound) => bound.lifetimes.is_none() && segments_borrow(&bound.path),
        _ => false,
    }
}

pub(super) fn is_reference(ty: &Type) -> bool {
    matches!(ungroup_type(ty), Type::Reference(_))
}

pub(super) fn is_mut_reference(ty: &Type) -> bool {
    matches!(ungroup_type(ty), Type::Reference(reference) if reference.mutability.is_some())
}

pub(super) fn is_static(reference: &syn::TypeReference) -> bool {
    reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static")
}

/// Returns whether a returned `impl Trait` captures all lifetimes, which `use<…>` prevents.
pub(super) fn captures_all(output: &ReturnType) -> bool {
    let ReturnType::Type(_, ty) = output else { return false };
    let Type::ImplTrait(object) = ungroup_type(ty) else { return false };
    !object.bounds.iter().any(|bound| matches!(bound, TypeParamBound::PreciseCapture(_)))
}

/// Returns whether the type is `Context<…>`, or a reference to it.
pub(super) fn names_context(ty: &Type) -> bool {
    context_of(ty).is_some()
}

/// Returns the segment `Context<…>` of a type, or of the type behind a reference.
pub(super) fn context_of(ty: &Type) -> Option<&syn::PathSegment> {
    match ungroup_type(ty) {
        Type::Path(path) => path.path.segments.last().filter(|last| last.ident == "Context"),
        Type::Reference(reference) => context_of(&reference.elem),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borrowing() {
        let borrowed =
            ["&str", "&'a [u8]", "Command<'_>", "(u8, &str)", "Json<&str>", "[&str; 3]", "Box<dyn Run + 'a>"];
        let owned =
            ["String", "&'static str", "Command<'static>", "fn(&str)", "Box<dyn Fn(&str)>", "Json<Vec<u8>>"];
        for text in borrowed {
            assert!(borrows(&syn::parse_str(text).unwrap()), "{text}");
        }
        for text in owned {
            assert!(!borrows(&syn::parse_str(text).unwrap()), "{text}");
        }
    }
}
