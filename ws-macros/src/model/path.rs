//! Patterns of paths.

use syn::Type;

/// Whether a pattern is one that the router takes: segments, `{name}` for one, `{*name}` for the rest.
pub(super) fn pattern(path: &str) -> Result<(), String> {
    if !path.starts_with('/') {
        return Err(format!("a path starts with `/`\nhelp: write `\"/{path}\"`"));
    }
    let mut names = Vec::new();
    let mut rest = path;
    while let Some(open) = rest.find(['{', '}']) {
        if rest[open..].starts_with("{{") || rest[open..].starts_with("}}") {
            rest = &rest[open + 2..];
            continue;
        }
        let close = rest[open..].find('}').filter(|_| rest[open..].starts_with('{'));
        let Some(close) = close else {
            return Err("unbalanced braces in a path\nhelp: a parameter is `{name}`, a brace `{{`".into());
        };
        let name = rest[open + 1..open + close].trim_start_matches('*');
        let catch_all = rest[open + 1..].starts_with('*');
        if name.is_empty() || name.contains(['/', '{', '*']) {
            return Err(
                "a parameter of a path needs a name\nhelp: write `{room}`, or `{*rest}` for all that follows"
                    .into(),
            );
        }
        if rest[..open].is_empty() && !names.is_empty() {
            return Err(format!("`{{{name}}}` follows another parameter\nhelp: put a `/` between them"));
        }
        if names.contains(&name) {
            return Err(format!(
                "parameter `{name}` stands twice in the path\nhelp: give each parameter a name of its own"
            ));
        }
        names.push(name);
        rest = &rest[open + close + 1..];
        if catch_all && !rest.is_empty() {
            return Err(format!(
                "`{{*{name}}}` takes all that follows, so it comes last\nhelp: write `{{{name}}}` for one segment"
            ));
        }
    }
    if let Some(colon) = path.find("/:") {
        let name: String = path[colon + 2..].chars().take_while(|c| *c != '/').collect();
        return Err(format!(
            "parameters of a path are written in braces\nhelp: write `{{{name}}}` for `:{name}`"
        ));
    }
    Ok(())
}

/// Whether an extractor could take a parameter of the path. The ones that are known not to cannot;
/// of all others nobody knows.
pub(super) fn may_take_path(extractor: &Type) -> bool {
    let Type::Path(path) = extractor else { return true };
    let others = ["Query", "State", "HeaderMap", "PeerAddr", "Method", "Version"];
    path.path.segments.last().is_none_or(|last| others.iter().all(|name| last.ident != name))
}
