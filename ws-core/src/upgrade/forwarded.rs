//! The addresses that proxies add to a request: `Forwarded` (RFC 7239) and `X-Forwarded-For`. The last address is
//! that of the client of the last proxy.

use std::net::{IpAddr, SocketAddr};

use super::{HandshakeRejection, HeaderFields};
use crate::handler::is_token;

/// The client of one proxy. `None` if the proxy does not know or does not show the address.
pub(crate) type Hop = Option<SocketAddr>;

/// Calls `on_hop` for each hop of `Forwarded`, in their order. Returns whether the header exists.
///
/// # Errors
///
/// A line does not match the grammar. A client may have sent its start, by which it would hide what a proxy appends, so
/// that any guess at the meaning could be wrong.
pub(crate) fn forwarded<F>(fields: &F, mut on_hop: impl FnMut(Hop)) -> Result<bool, HandshakeRejection>
where
    F: HeaderFields + ?Sized,
{
    let mut is_valid = true;
    let exists =
        each_line(fields, "forwarded", |line| is_valid &= parse_forwarded(line, &mut on_hop).is_some());
    if is_valid { Ok(exists) } else { Err(HandshakeRejection::Forwarded("Forwarded is malformed")) }
}

/// Calls `on_hop` for each hop of `X-Forwarded-For`, in their order. Returns whether the header exists.
pub(crate) fn x_forwarded_for<F: HeaderFields + ?Sized>(fields: &F, mut on_hop: impl FnMut(Hop)) -> bool {
    each_line(fields, "x-forwarded-for", |line| {
        let elements = line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        elements.filter(|element| !element.is_empty()).map(parse_node).for_each(&mut on_hop);
    })
}

fn each_line<F>(fields: &F, name: &str, mut parse: impl FnMut(&[u8])) -> bool
where
    F: HeaderFields + ?Sized,
{
    let mut exists = false;
    for line in fields.values(name) {
        parse(line);
        exists = true;
    }
    exists
}

/// Parses a line of `Forwarded` (RFC 7239 §4).
///
/// ```text
/// Forwarded         = 1#forwarded-element
/// forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )
/// forwarded-pair    = token "=" ( token / quoted-string )
/// ```
fn parse_forwarded(line: &[u8], mut on_hop: impl FnMut(Hop)) -> Option<()> {
    let mut rest = line.trim_ascii();
    while !rest.is_empty() {
        // Whether the element has a pair, and its `for`.
        let (mut has_pairs, mut node) = (false, None);
        loop {
            if !matches!(rest.first(), None | Some(b';' | b',')) {
                let (name, value, tail) = parse_pair(rest)?;
                has_pairs = true;
                // RFC 7239 §4: each parameter occurs once. An element with a second `for` is malformed.
                if name.eq_ignore_ascii_case(b"for") && node.replace(value).is_some() {
                    return None;
                }
                rest = tail.trim_ascii_start();
            }
            match rest.split_first() {
                Some((b';', tail)) => rest = tail.trim_ascii_start(),
                Some((b',', tail)) => {
                    rest = tail.trim_ascii_start();
                    break;
                }
                None => break,
                Some(_) => return None,
            }
        }
        if has_pairs {
            on_hop(node.and_then(|node| parse_node(&node)));
        }
    }
    Some(())
}

/// Returns the name and the value of the pair at the start, and what follows.
fn parse_pair(bytes: &[u8]) -> Option<(&[u8], Vec<u8>, &[u8])> {
    let (name, rest) = split_token(bytes)?;
    let rest = rest.strip_prefix(b"=")?;
    let Some(mut rest) = rest.strip_prefix(b"\"") else {
        let (value, rest) = split_token(rest)?;
        return Some((name, value.to_vec(), rest));
    };
    let mut value = Vec::new();
    loop {
        let (byte, tail) = rest.split_first()?;
        rest = tail;
        match byte {
            b'"' => return Some((name, value, rest)),
            b'\\' => {
                let (escaped, tail) = rest.split_first()?;
                value.push(*escaped);
                rest = tail;
            }
            byte => value.push(*byte),
        }
    }
}

/// Splits a token off, which has at least one byte.
fn split_token(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| !is_token(*byte)).unwrap_or(bytes.len());
    (end > 0).then(|| bytes.split_at(end))
}

/// Parses an address with or without a port. IPv6 addresses may have brackets. Without a number of a port, the port
/// is 0.
fn parse_node(node: &[u8]) -> Hop {
    let text = std::str::from_utf8(node).ok()?;
    // An obfuscated port (RFC 7239 §6.3).
    let text = text.rsplit_once(":_").map_or(text, |(addr, _)| addr);
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let addr = bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0));
    let addr = addr.or_else(|_| text.parse::<SocketAddr>()).ok()?;
    Some(SocketAddr::new(addr.ip().to_canonical(), addr.port()))
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderMap, HeaderName, HeaderValue};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn all_forwarded(headers: &HeaderMap) -> Option<Vec<Hop>> {
        let mut hops = Vec::new();
        forwarded(headers, |hop| hops.push(hop)).unwrap().then_some(hops)
    }

    fn all_x_forwarded_for(headers: &HeaderMap) -> Option<Vec<Hop>> {
        let mut hops = Vec::new();
        x_forwarded_for(headers, |hop| hops.push(hop)).then_some(hops)
    }

    #[track_caller]
    fn check(
        parse: fn(&HeaderMap) -> Option<Vec<Hop>>,
        name: &'static str,
        lines: &[&str],
        expected: &[&str],
    ) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(line).unwrap());
        }
        let hops = parse(&headers).expect("the header exists");
        let hops: Vec<_> = hops.iter().map(|hop| hop.map_or("-".into(), |addr| addr.to_string())).collect();
        assert_eq!(hops, expected, "{lines:?}");
    }

    #[test]
    fn hops_of_forwarded() {
        for (line, expected) in [
            // The examples of RFC 7239 §4 and §6.3.
            (r#"for="_gazonk""#, &["-"][..]),
            (r#"For="[2001:db8:cafe::17]:4711""#, &["[2001:db8:cafe::17]:4711"]),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", &["192.0.2.60:0"]),
            ("for=192.0.2.43, for=198.51.100.17", &["192.0.2.43:0", "198.51.100.17:0"]),
            ("for=_hidden, for=_SEVKISEK", &["-", "-"]),
            (r#"for=unknown, for="192.0.2.43:47011""#, &["-", "192.0.2.43:47011"]),
            // A proxy that adds no `for`, an escaped character, whitespace, empty elements, an obfuscated port.
            ("proto=https", &["-"]),
            (r#"for="192.0.\2.1""#, &["192.0.2.1:0"]),
            (" , for=192.0.2.1 ; proto=http ,, ;for=192.0.2.2;, ", &["192.0.2.1:0", "192.0.2.2:0"]),
            (r#"for="192.0.2.1:_port""#, &["192.0.2.1:0"]),
            (r#"for="[::ffff:192.0.2.1]""#, &["192.0.2.1:0"]),
            // A comma inside of quotes separates nothing.
            (r#"for=192.0.2.1;by="a, for=192.0.2.9""#, &["192.0.2.1:0"]),
            ("", &[]),
        ] {
            check(all_forwarded, "forwarded", &[line], expected);
        }
        check(
            all_forwarded,
            "forwarded",
            &["for=192.0.2.1", "for=192.0.2.2"],
            &["192.0.2.1:0", "192.0.2.2:0"],
        );
        assert_eq!(all_forwarded(&HeaderMap::new()), None);
    }

    #[test]
    fn malformed_line_is_an_error() {
        for line in [
            "for=192.0.2.9 for=192.0.2.1",
            "for=192.0.2.9;for=192.0.2.8",
            // A quote by which a client hides what a proxy appends.
            r#"for=192.0.2.9;x=", for=192.0.2.1"#,
            r#"for=192.0.2.9;x=", for="[2001:db8::1]""#,
            "for",
            "for=",
            "=192.0.2.1",
            r#"for="192.0.2.1\"#,
            "for=[2001:db8::1]",
        ] {
            let mut headers = HeaderMap::new();
            headers.append("forwarded", HeaderValue::from_static(line));
            headers.append("forwarded", HeaderValue::from_static("for=192.0.2.1"));
            let error = forwarded(&headers, |_| {}).unwrap_err();
            assert_eq!(error, HandshakeRejection::Forwarded("Forwarded is malformed"), "{line}");
        }
    }

    #[test]
    fn hops_of_x_forwarded_for() {
        for (lines, expected) in [
            (&["192.0.2.1"][..], &["192.0.2.1:0"][..]),
            (&["192.0.2.1, 198.51.100.1,2001:db8::1"], &["192.0.2.1:0", "198.51.100.1:0", "[2001:db8::1]:0"]),
            (
                &["192.0.2.1:80, [2001:db8::1]:81, [2001:db8::1]"],
                &["192.0.2.1:80", "[2001:db8::1]:81", "[2001:db8::1]:0"],
            ),
            (&["unknown, ,192.0.2.1", "::ffff:192.0.2.2"], &["-", "192.0.2.1:0", "192.0.2.2:0"]),
            (&["192.0.2.256, 192.0.2.1:99999, 0x7f.1, localhost, \"192.0.2.1\""], &["-", "-", "-", "-", "-"]),
            (&[""], &[]),
        ] {
            check(all_x_forwarded_for, "x-forwarded-for", lines, expected);
        }
        assert_eq!(all_x_forwarded_for(&HeaderMap::new()), None);
    }

    proptest! {
        #[test]
        fn any_line_is_parsed(line in vec(any::<u8>(), 0..200)) {
            let mut hops = 0;
            parse_forwarded(&line, |_| hops += 1);
            prop_assert!(hops <= line.len());
            parse_node(&line);
        }

        /// What a client sends first changes neither the last hop nor its place, or the line is not used at all.
        #[test]
        fn start_of_a_line_does_not_change_its_end(start in "[a-z0-9=;,\" \\\\]{0,40}") {
            let line = format!("{start}, for=192.0.2.1;proto=https");
            let mut last = None;
            let is_valid = parse_forwarded(line.as_bytes(), |hop| last = hop).is_some();
            prop_assert!(!is_valid || last == parse_node(b"192.0.2.1"), "{:?}", last);
        }
    }
}
