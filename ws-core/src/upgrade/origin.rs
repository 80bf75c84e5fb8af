//! The check of the `Origin` header (RFC 6455 §10.2).

use std::net::Ipv4Addr;

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
    // An origin that is not ASCII names no host that this server can have.
    let text = |origin| std::str::from_utf8(origin).ok().filter(|text| text.is_ascii());
    match allowed {
        Origins::Any => true,
        Origins::List(list) => {
            origins.all(|origin| list.iter().any(|item| item.as_bytes().eq_ignore_ascii_case(origin)))
        }
        Origins::SameHost | Origins::Localhost => {
            let host = host();
            origins.all(|origin| {
                text(origin).is_some_and(|origin| {
                    host.is_some_and(|host| is_same_host(origin, host))
                        || allowed == Origins::Localhost && is_local_page(origin)
                })
            })
        }
    }
}

/// Returns what to write so that the pages of an origin may connect, as text for the log.
pub(crate) fn help(origin: &str, host: Option<&str>) -> String {
    if origin.eq_ignore_ascii_case("null") {
        return "the page is sandboxed or a file, so only `origins = any` allows it".to_owned();
    }
    let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
    let is_host = host.is_some_and(|host| {
        let (name, host_name) = (name_and_port(authority).0, name_and_port(host).0);
        name.eq_ignore_ascii_case(host_name) || is_loopback(host_name)
    });
    if is_local_page(origin) {
        format!("write `origins = localhost` for development, or `origins = [{origin:?}]`")
    } else if is_host {
        format!(
            "write `origins = [{origin:?}]`, or let the proxy forward the host (nginx: `proxy_set_header Host \
             $http_host;`)"
        )
    } else {
        format!("write `origins = [{origin:?}]`")
    }
}

/// Returns whether an origin is that of a page which a server on the client's own machine has sent.
fn is_local_page(origin: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let (name, port) = name_and_port(authority);
    let is_port = port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    default_port(scheme).is_some() && is_port && is_loopback(name)
}

/// Returns whether a `Host` names this machine: `localhost`, a name below it, or a loopback address.
#[cfg(feature = "inspect")]
pub(crate) fn is_loopback_host(host: &str) -> bool {
    is_loopback(name_and_port(host).0)
}

/// Returns whether a host name without a port is the machine itself: `localhost`, a name below it
/// (RFC 6761 §6.3), or an address of the loopback interface.
fn is_loopback(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let address = |name: &str| name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    matches!(name.as_str(), "localhost" | "[::1]")
        || name.strip_suffix(".localhost").is_some_and(|name| name.bytes().all(is_name_byte))
        || address(&name)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')
}

fn default_port(scheme: &str) -> Option<&'static str> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => Some("80"),
        "https" | "wss" => Some("443"),
        _ => None,
    }
}

/// Returns whether an origin, for example `https://example.com:8443`, has the host that the request names.
/// The default port of the origin's scheme replaces a missing port. `localhost`, `127.0.0.1` and `[::1]` are one
/// host, because developers open the same server under each of these names.
fn is_same_host(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let Some(default) = default_port(scheme) else { return false };
    let (origin_name, origin_port) = name_and_port(authority);
    let (host_name, host_port) = name_and_port(host);
    let is_this_machine =
        |name: &str| name.eq_ignore_ascii_case("localhost") || matches!(name, "127.0.0.1" | "[::1]");
    let is_same_name = origin_name.eq_ignore_ascii_case(host_name)
        || is_this_machine(origin_name) && is_this_machine(host_name);
    !origin_name.is_empty() && is_same_name && origin_port.unwrap_or(default) == host_port.unwrap_or(default)
}

fn name_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        // The colons of an IPv6 address are inside its brackets.
        Some((name, port)) if !port.contains(']') => (name, Some(port).filter(|port| !port.is_empty())),
        _ => (authority, None),
    }
}
