//! The check of an inspector without a guard: is the client on this machine?

use hyper::Version;
use hyper::header::{FORWARDED, HOST, VIA};
use hyper::http::request::Parts;

use crate::router::PeerAddr;
use crate::upgrade::is_loopback_host;

/// Checks that a request comes from this machine, directly, and from a page of this machine.
///
/// # Errors
///
/// The reason, for the log.
pub(crate) fn check_local(request: &Parts) -> Result<(), &'static str> {
    let peer = request.extensions.get::<PeerAddr>().map(|peer| peer.0.ip().to_canonical());
    if !peer.is_some_and(|peer| peer.is_loopback()) {
        return Err("an inspector without a guard is for clients on this machine");
    }
    if request.version < Version::HTTP_11 {
        return Err("an inspector without a guard does not serve HTTP/1.0, which proxies send");
    }
    let is_forwarded = |name: &str| name == "x-real-ip" || name.starts_with("x-forwarded-");
    if [FORWARDED, VIA].iter().any(|name| request.headers.contains_key(name))
        || request.headers.keys().any(|name| is_forwarded(name.as_str()))
    {
        return Err("an inspector without a guard is not served through a proxy");
    }
    // HTTP/2 has the host in the URI.
    let mut hosts = request.headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default());
    let host = hosts.next().or_else(|| Some(request.uri.authority()?.as_str()));
    if hosts.next().is_some() || !host.is_some_and(is_loopback_host) {
        return Err("an inspector without a guard needs `localhost` or a loopback address as `Host`");
    }
    Ok(())
}
