//! The patterns of mounted paths, and the form in which requested paths are compared with them.

use std::borrow::Cow;

/// The characters beside letters and digits that percent-encoding does not change (RFC 3986 §2.3).
const UNRESERVED: &[u8] = b"-._~";

/// Returns the form of a pattern that matches [normalized](normalize) paths, or what is wrong with the pattern
/// and what to write. The macro checks the option `path` by the same rules; a path of another router's syntax
/// would match nothing but itself.
pub(super) fn parse(path: &str) -> Result<String, String> {
    if path.contains("://") {
        return Err("a path has no scheme and no host\nhelp: write `\"/chat\"`".into());
    }
    let Some(relative) = path.strip_prefix('/') else {
        return Err(format!("a path starts with `/`\nhelp: write `\"/{path}\"`"));
    };
    if relative.starts_with('/') || relative.contains("//") {
        return Err("two slashes in a row\nhelp: write one".into());
    }
    let mut names = Vec::new();
    for segment in relative.split('/') {
        check_literal(segment)?;
        let name = segment.split_once('{').and_then(|(_, tail)| tail.split_once('}')).map(|(name, _)| name);
        let name = name.map(|name| name.trim_start_matches('*')).filter(|name| !name.starts_with('{'));
        if let Some(name) = name {
            if names.contains(&name) {
                return Err(format!(
                    "parameter `{name}` appears twice in the path\nhelp: give each parameter its own name"
                ));
            }
            names.push(name);
        }
    }
    // The names of parameters are no part of the requested path.
    let mut pattern = String::with_capacity(path.len());
    let mut tail = path;
    while let Some((literal, parameter)) = tail.split_once('{') {
        pattern.push_str(&normalize(literal));
        let end = parameter.find('}').map_or(parameter.len(), |end| end + 1);
        pattern.push('{');
        pattern.push_str(&parameter[..end]);
        tail = &parameter[end..];
    }
    pattern.push_str(&normalize(tail));
    Ok(pattern)
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
    match segment.find(['?', '#']) {
        Some(mark) if !segment.contains('{') => Err(format!(
            "a path has no `{}`\nhelp: take the query as `Query<T>` in `#[on_upgrade]`",
            &segment[mark..=mark]
        )),
        _ => Ok(()),
    }
}

/// Returns the form that equivalent paths share (RFC 9110 §4.2.3, RFC 3986 §6.2.2): unreserved characters are
/// not encoded, other encoded bytes have capital digits, and characters outside of ASCII are encoded. So is a `%`
/// that begins no encoded byte.
///
/// An encoded `/` stays encoded, and so does `%`, so that the values of parameters can be decoded afterwards.
pub(super) fn normalize(path: &str) -> Cow<'_, str> {
    if path.bytes().all(|byte| byte.is_ascii() && !matches!(byte, b'%' | b' ')) {
        return path.into();
    }
    let mut normal = String::with_capacity(path.len());
    let mut tail = path.as_bytes();
    loop {
        tail = match *tail {
            [b'%', high, low, ref tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let byte = hex_value(high) << 4 | hex_value(low);
                if byte.is_ascii_alphanumeric() || UNRESERVED.contains(&byte) {
                    normal.push(byte.into());
                } else {
                    normal.push_str(percent_encoding::percent_encode_byte(byte));
                }
                tail
            }
            [byte, ref tail @ ..] if byte.is_ascii() && !matches!(byte, b' ' | b'%') => {
                normal.push(byte.into());
                tail
            }
            [byte, ref tail @ ..] => {
                normal.push_str(percent_encoding::percent_encode_byte(byte));
                tail
            }
            [] => return normal.into(),
        };
    }
}

/// Returns the value of a hexadecimal digit.
fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expect: Result<&str, &str>) {
        let got = parse(path);
        let got = got.as_deref().map_err(|why| why.split('\n').next().unwrap());
        assert_eq!(got, expect, "{path}");
    }

    #[test]
    fn patterns() {
        for same in
            ["/", "/chat", "/chat/", "/{room}/{_seat}", "/{room}.json", "/{{x}}/{*rest}", "/raum/{größe}"]
        {
            check(same, Ok(same));
        }
        check("/café/{größe}/a b/%7Eme/%2f", Ok("/caf%C3%A9/{größe}/a%20b/~me/%2F"));
        for path in ["", "chat"] {
            check(path, Err("a path starts with `/`"));
        }
        check("ws://a/b", Err("a path has no scheme and no host"));
        for path in ["/a//b", "//a", "/a//"] {
            check(path, Err("two slashes in a row"));
        }
        check("/{a}/{a}", Err("parameter `a` appears twice in the path"));
        for path in ["/x/:y", "/x/<y>", "/:y/z"] {
            check(path, Err("parameters of a path are written in braces"));
        }
        for path in ["/x/*", "/x/*y"] {
            check(path, Err("a parameter for all remaining segments is written in braces"));
        }
        check("/a?b", Err("a path has no `?`"));
        check("/a#b", Err("a path has no `#`"));
        assert!(parse("/x/:y").unwrap_err().ends_with("help: write `{y}` for `:y`"));
    }

    #[test]
    fn normal_forms() {
        for (path, expect) in [
            ("/plain", "/plain"),
            ("/%63hat/%7e%2D%2e%5F", "/chat/~-._"),
            ("/a%2fb%3a", "/a%2Fb%3A"),
            // Decoded once only.
            ("/%2561", "/%2561"),
            ("/%", "/%25"),
            ("/%6", "/%256"),
            ("/%zz%6", "/%25zz%256"),
            ("/%%341", "/%2541"),
            ("/%é", "/%25%C3%A9"),
            ("/café", "/caf%C3%A9"),
            ("/%ff", "/%FF"),
        ] {
            assert_eq!(normalize(path), expect);
            assert_eq!(normalize(expect), expect, "a normal form is its own normal form");
        }
    }
}
