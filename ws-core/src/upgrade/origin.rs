//! The check of the `Origin` header (RFC 6455 §10.2).

use hyper::header::ORIGIN;

use super::{DRAFT_ORIGIN, HeaderFields};
use crate::options::Origins;

/// Returns whether every origin that the request names is allowed. The host is that of the request.
pub(super) fn is_allowed<'a, F: HeaderFields + ?Sized>(
    fields: &F,
    host: impl FnOnce() -> Option<&'a str>,
    allowed: Origins,
) -> bool {
    let names = [ORIGIN, DRAFT_ORIGIN];
    let mut origins = names.iter().flat_map(|name| fields.values(name.as_str()));
    match allowed {
        Origins::Any => true,
        Origins::List(list) => {
            origins.all(|origin| list.iter().any(|item| item.as_bytes().eq_ignore_ascii_case(origin)))
        }
        Origins::SameHost => {
            let host = host();
            // An origin that is not ASCII names no host that this server can have.
            let text = |origin| std::str::from_utf8(origin).ok().filter(|text| text.is_ascii());
            origins
                .all(|origin| host.zip(text(origin)).is_some_and(|(host, origin)| is_same_host(origin, host)))
        }
    }
}

/// Returns whether an origin, for example `https://example.com:8443`, has the host that the request names.
/// The default port of the origin's scheme replaces a missing port.
fn is_same_host(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => "80",
        "https" | "wss" => "443",
        _ => return false,
    };
    let (origin_name, origin_port) = name_and_port(authority);
    let (host_name, host_port) = name_and_port(host);
    !origin_name.is_empty()
        && origin_name.eq_ignore_ascii_case(host_name)
        && origin_port.unwrap_or(default) == host_port.unwrap_or(default)
}

fn name_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        // The colons of an IPv6 address are inside its brackets.
        Some((name, port)) if !port.contains(']') => (name, Some(port).filter(|port| !port.is_empty())),
        _ => (authority, None),
    }
}
