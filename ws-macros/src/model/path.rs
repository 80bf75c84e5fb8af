//! Validation of path patterns.

use syn::{GenericArgument, PathArguments, Type};

use super::types::{last_name, ungroup_type};

/// Checks that the router accepts a pattern: literal segments, `{name}` for a segment and `{*name}` for
/// all remaining ones.
pub(super) fn check_pattern(path: &str) -> Result<(), String> {
    if path.contains("://") {
        return Err("a path has no scheme and no host\nhelp: write `\"/chat\"`".into());
    }
    if !path.starts_with('/') {
        return Err(format!("a path starts with `/`\nhelp: write `\"/{path}\"`"));
    }
    let mut names = Vec::new();
    let mut segments = path[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if segment.is_empty() && !is_last {
            return Err("two slashes in a row\nhelp: write one".into());
        }
        let Some((is_rest, name)) = parse_parameter(segment)? else { continue };
        if is_rest && !is_last {
            return Err(format!(
                "`{{*{name}}}` takes all remaining segments, so it must be the last one\nhelp: write `{{{name}}}` for one segment"
            ));
        }
        if names.contains(&name) {
            return Err(format!(
                "parameter `{name}` appears twice in the path\nhelp: give each parameter its own name"
            ));
        }
        names.push(name);
    }
    Ok(())
}

/// Returns the parameter of a segment, and whether the parameter takes all remaining segments.
fn parse_parameter(segment: &str) -> Result<Option<(bool, &str)>, String> {
    let mut found = None;
    let mut rest = segment;
    while let Some(at) = rest.find(['{', '}']) {
        let tail = &rest[at..];
        if tail.starts_with("{{") || tail.starts_with("}}") {
            rest = &tail[2..];
            continue;
        }
        let Some(close) = tail.find('}').filter(|_| tail.starts_with('{')) else {
            return Err(
                "unbalanced braces in a path\nhelp: a parameter is written `{name}`, a literal brace `{{`"
                    .into(),
            );
        };
        let inside = &tail[1..close];
        let name = inside.strip_prefix('*').unwrap_or(inside);
        if name.is_empty() {
            return Err(
                "a parameter of a path needs a name\nhelp: write `{room}`, or `{*rest}` for all remaining segments"
                    .into(),
            );
        }
        if !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return Err(format!(
                "`{name}` is not a valid name of a parameter\n\
                 help: use letters, digits and `_`; the type in `Path<…>` checks the value"
            ));
        }
        if found.is_some() {
            return Err(format!("`{{{name}}}` follows another parameter\nhelp: put a `/` between them"));
        }
        found = Some((name.len() < inside.len(), name));
        rest = &tail[close + 1..];
    }
    if found.is_none() {
        check_literal(segment)?;
    }
    Ok(found)
}

/// Rejects the parameter syntax of other routers.
fn check_literal(segment: &str) -> Result<(), String> {
    let bracketed = segment.strip_prefix('<').and_then(|segment| segment.strip_suffix('>'));
    if let Some(name) = segment.strip_prefix(':').or(bracketed) {
        return Err(format!(
            "parameters of a path are written in braces\nhelp: write `{{{name}}}` for `{segment}`"
        ));
    }
    if let Some(name) = segment.strip_prefix('*') {
        let name = if name.is_empty() { "rest" } else { name };
        return Err(format!(
            "a parameter for all remaining segments is written in braces\nhelp: write `{{*{name}}}` for `{segment}`"
        ));
    }
    if let Some(mark) = segment.find(['?', '#']) {
        return Err(format!(
            "a path has no `{}`\nhelp: take the query as `Query<T>` in `#[on_upgrade]`",
            &segment[mark..=mark]
        ));
    }
    Ok(())
}

/// Use of a path's parameters by `#[on_upgrade]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathUse {
    /// No extractor takes them.
    Nothing,
    /// A `Path` takes this number of values.
    Exactly(usize),
    /// The types do not say: a struct, or an extractor of the user.
    Unknown,
}

/// Returns the use of the path, as far as the names of the extractors show it.
pub(super) fn infer_path_use(extractors: &[Type]) -> PathUse {
    let others = [
        "Query",
        "State",
        "HeaderMap",
        "PeerAddr",
        "IsTls",
        "ConnectInfo",
        "Subprotocols",
        "Method",
        "Version",
    ];
    let mut candidates =
        extractors.iter().filter(|ty| last_name(ty).is_none_or(|name| !others.contains(&name.as_str())));
    match (candidates.next(), candidates.next()) {
        (None, _) => PathUse::Nothing,
        (Some(ty), None) => count_path_values(ty).map_or(PathUse::Unknown, PathUse::Exactly),
        _ => PathUse::Unknown,
    }
}

/// Returns the number of values of a `Path<…>`, if its type shows it.
fn count_path_values(ty: &Type) -> Option<usize> {
    let Type::Path(path) = ungroup_type(ty) else { return None };
    let segment = path.path.segments.last().filter(|last| last.ident == "Path")?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    let Some(GenericArgument::Type(ty)) = arguments.args.first() else { return None };
    if let Type::Tuple(tuple) = ungroup_type(ty) {
        return Some(tuple.elems.len());
    }
    let single = [
        "String", "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64",
        "i128", "isize", "f32", "f64",
    ];
    single.contains(&last_name(ty)?.as_str()).then_some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expect: &str) {
        let got = check_pattern(path).err().unwrap_or_default();
        assert_eq!(got.lines().next().unwrap_or_default(), expect, "{path}");
    }

    #[test]
    fn patterns() {
        for good in
            ["/", "/chat", "/chat/", "/{room}/{_seat}", "/{room}.json", "/{{x}}/{*rest}", "/raum/{größe}"]
        {
            check(good, "");
        }
        check("chat", "a path starts with `/`");
        check("wss://example.com/chat", "a path has no scheme and no host");
        check("//chat", "two slashes in a row");
        check("/{room", "unbalanced braces in a path");
        check("/room}", "unbalanced braces in a path");
        check("/{}", "a parameter of a path needs a name");
        check("/{*}", "a parameter of a path needs a name");
        check("/{id:[0-9]+}", "`id:[0-9]+` is not a valid name of a parameter");
        check("/{a}-{b}", "`{b}` follows another parameter");
        check("/{a}/{a}", "parameter `a` appears twice in the path");
        check("/{*rest}/more", "`{*rest}` takes all remaining segments, so it must be the last one");
        check("/:room", "parameters of a path are written in braces");
        check("/<room>", "parameters of a path are written in braces");
        check("/*rest", "a parameter for all remaining segments is written in braces");
        check("/chat?x=1", "a path has no `?`");
    }
}
