//! The proxies whose headers count, and the client's address behind them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::Request;
use hyper::http::Extensions;
use hyper::http::HeaderMap;

use crate::router::{PeerAddr, Router};
use crate::upgrade::{HandshakeRejection, HeaderFields, Hop, forwarded, x_forwarded_for};

/// The trusted proxies. Without any, no header counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies {
    networks: Arc<[Network]>,
    /// Whether clients of Unix sockets are trusted proxies.
    includes_unix: bool,
}

/// The extension of requests over a Unix socket, whose clients have no address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnixPeer;

/// The element of a list that means the clients of Unix sockets.
const UNIX: &str = "unix:";

/// The bits before the IPv4 address in an IPv4-mapped address.
const MAPPED_PREFIX_LEN: u8 = 96;

/// All addresses that begin with the same bits as one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    addr: IpAddr,
    prefix_len: u8,
}

impl Network {
    /// Parses `10.0.0.0/8`, or an address alone.
    fn parse(text: &str) -> Result<Self, String> {
        let invalid =
            || format!("{text:?} is no IP address, no network like \"10.0.0.0/8\", and not {UNIX:?}");
        let (addr, prefix_len) = text.split_once('/').map_or((text, None), |(addr, len)| (addr, Some(len)));
        let addr: IpAddr = addr.parse().map_err(|_| invalid())?;
        let max = if addr.is_ipv4() { 32 } else { 128 };
        let prefix_len: u8 = match prefix_len {
            None => max,
            Some(len) => len.parse().ok().filter(|len| *len <= max).ok_or_else(invalid)?,
        };
        // Addresses are compared as IPv4 where they are mapped to IPv6 (RFC 4291 §2.5.5.2).
        match (addr, addr.to_canonical()) {
            (IpAddr::V6(_), mapped @ IpAddr::V4(_)) => {
                let prefix_len = prefix_len.checked_sub(MAPPED_PREFIX_LEN).ok_or_else(invalid)?;
                Ok(Self { addr: mapped, prefix_len })
            }
            _ => Ok(Self { addr, prefix_len }),
        }
    }

    fn contains(&self, addr: IpAddr) -> bool {
        let host_bits = |max: u32| max - u32::from(self.prefix_len);
        match (self.addr, addr.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(addr)) => {
                (own.to_bits() ^ addr.to_bits()).checked_shr(host_bits(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(addr)) => {
                (own.to_bits() ^ addr.to_bits()).checked_shr(host_bits(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl TrustedProxies {
    /// Parses networks.
    ///
    /// # Errors
    ///
    /// The text for a panic, if one is malformed.
    pub(crate) fn parse<T: AsRef<str>>(elements: impl IntoIterator<Item = T>) -> Result<Self, String> {
        let (mut networks, mut includes_unix) = (Vec::new(), false);
        for element in elements {
            match element.as_ref() {
                UNIX => includes_unix = true,
                network => networks.push(Network::parse(network)?),
            }
        }
        Ok(Self { networks: networks.into(), includes_unix })
    }

    fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.includes_unix
    }

    /// Returns whether an address is that of a trusted proxy.
    fn contains(&self, addr: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(addr))
    }

    /// Returns whether a peer is a trusted proxy. A peer without an address is the client of a Unix socket.
    pub(crate) fn contains_peer(&self, peer: Option<SocketAddr>) -> bool {
        peer.map_or(self.includes_unix, |peer| self.contains(peer.ip()))
    }

    /// Returns the address of the client that a peer forwards: the peer's own, unless the peer is trusted.
    ///
    /// # Errors
    ///
    /// The headers of a trusted proxy are malformed, or contradict each other.
    pub(crate) fn client_addr<F>(
        &self,
        peer: Option<SocketAddr>,
        fields: &F,
    ) -> Result<Option<SocketAddr>, HandshakeRejection>
    where
        F: HeaderFields + ?Sized,
    {
        // PERF: without trusted proxies, a handshake reads no header for this. budget: connect
        if self.is_empty() || !self.contains_peer(peer) {
            Ok(peer)
        } else {
            self.forwarded_addr(peer, fields)
        }
    }

    /// Replaces the address in a request by that of the client.
    ///
    /// # Errors
    ///
    /// Those of [`client_addr`](Self::client_addr).
    pub(in crate::router) fn apply<B>(&self, request: &mut Request<B>) -> Result<(), HandshakeRejection> {
        if self.is_empty() {
            return Ok(());
        }
        let mut extensions = std::mem::take(request.extensions_mut());
        let applied = self.apply_to(&mut extensions, request.headers());
        *request.extensions_mut() = extensions;
        applied
    }

    /// Replaces the address in a request's extensions by that of the client.
    ///
    /// # Errors
    ///
    /// Those of [`client_addr`](Self::client_addr).
    pub(crate) fn apply_to(
        &self,
        extensions: &mut Extensions,
        headers: &HeaderMap,
    ) -> Result<(), HandshakeRejection> {
        if self.is_empty() {
            return Ok(());
        }
        let peer = extensions.get::<PeerAddr>().map(|peer| peer.0);
        // Another server that adds no address knows nothing about the peer.
        if peer.is_none() && extensions.get::<UnixPeer>().is_none() {
            return Ok(());
        }
        if let Some(client) = self.client_addr(peer, headers)? {
            PeerAddr(client).insert_into(extensions);
        }
        Ok(())
    }

    /// Returns the address in the headers of a trusted proxy.
    ///
    /// A proxy that writes one of the two headers may pass the other one on as its client has sent it. A request whose
    /// headers contradict each other is refused: the client would choose an address if one of them counted, and would
    /// get that of the proxy if none did.
    #[cold]
    fn forwarded_addr<F>(
        &self,
        proxy: Option<SocketAddr>,
        fields: &F,
    ) -> Result<Option<SocketAddr>, HandshakeRejection>
    where
        F: HeaderFields + ?Sized,
    {
        let (mut one, mut other) = (LastClient::new(self, proxy), LastClient::new(self, proxy));
        let one = forwarded(fields, |hop| one.add(hop))?.then_some(one.addr);
        let other = x_forwarded_for(fields, |hop| other.add(hop)).then_some(other.addr);
        let ip = |addr: Option<SocketAddr>| addr.map(|addr| addr.ip());
        match (one, other) {
            (Some(one), Some(other)) if ip(one) != ip(other) => {
                Err(HandshakeRejection::Forwarded("Forwarded and X-Forwarded-For contradict each other"))
            }
            (Some(client), _) | (None, Some(client)) => Ok(client),
            (None, None) => Ok(proxy),
        }
    }
}

/// The last address of a list that is not a trusted proxy's. Earlier ones may be invented. Behind an unknown hop, this
/// is the proxy that has added the hop. The list is read from its start and not stored.
struct LastClient<'a> {
    proxies: &'a TrustedProxies,
    proxy: Option<SocketAddr>,
    addr: Option<SocketAddr>,
    /// Whether a proxy that follows does not change the address.
    is_known: bool,
}

impl<'a> LastClient<'a> {
    fn new(proxies: &'a TrustedProxies, proxy: Option<SocketAddr>) -> Self {
        Self { proxies, proxy, addr: proxy, is_known: false }
    }

    fn add(&mut self, hop: Hop) {
        match hop {
            None => (self.addr, self.is_known) = (self.proxy, false),
            Some(addr) if !self.is_known || !self.proxies.contains(addr.ip()) => {
                (self.addr, self.is_known) = (hop, true);
            }
            Some(_) => {}
        }
    }
}

impl<S: Send + Sync + 'static> Router<S> {
    /// Sets the proxies whose headers `Forwarded` (RFC 7239) and `X-Forwarded-For` count. For a request from one of
    /// them, [`PeerAddr`], axum's `ConnectInfo`, [`Context::peer_addr`](crate::Context::peer_addr), the log and
    /// [`max_connections_per_address`](Self::max_connections_per_address) have the address of the client. Default:
    /// none, and the headers change nothing.
    ///
    /// An element is an IP address, a network like `10.0.0.0/8`, or `unix:` for the clients of
    /// [Unix sockets](Self::serve_unix). Include every proxy on the way, so that its address
    /// is not taken for the client's: each adds the address it was connected from at the end, and the last one that
    /// is not in the list is the client's. Earlier ones may be invented. The port is 0 if the proxy does not send it.
    ///
    /// The proxy's own address stays where it sends no header, or one that shows no address (`unknown`). So grant
    /// nothing to the address of a proxy. A request is answered with 400, and the log has the reason, if it has both
    /// headers and they contradict each other, or if `Forwarded` is malformed: a proxy has to delete the header that it
    /// does not write. One that writes neither must not be in the list, because it may pass on those of its clients.
    ///
    /// Inside another server, the method applies to the [`PeerAddr`] in the request's extensions.
    ///
    /// # Panics
    ///
    /// Panics if an element is malformed.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # use hyper::Request;
    /// # use tower_service::Service;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let page = axum::Router::new().fallback(async |PeerAddr(addr): PeerAddr| addr.ip().to_string());
    /// let mut router: Router = Router::new().trusted_proxies(["127.0.0.1", "10.0.0.0/8"]).fallback(page);
    /// // A server adds the extension.
    /// let mut get = async |peer: &str| {
    ///     let request = Request::get("/").header("x-forwarded-for", "1.2.3.4, 203.0.113.7, 10.0.0.2");
    ///     let request = request.extension(PeerAddr(peer.parse().unwrap())).body(String::new());
    ///     let answer = router.call(request.unwrap()).await.unwrap();
    ///     axum::body::to_bytes(answer.into_body(), 100).await.unwrap()
    /// };
    /// assert_eq!(get("127.0.0.1:40000").await, "203.0.113.7");
    /// assert_eq!(get("198.51.100.1:40000").await, "198.51.100.1"); // Not a proxy.
    /// # }
    /// ```
    #[track_caller]
    pub fn trusted_proxies(mut self, networks: impl IntoIterator<Item: AsRef<str>>) -> Self {
        match TrustedProxies::parse(networks) {
            Ok(proxies) => self.settings.trusted_proxies = proxies,
            Err(why) => panic!("cannot trust a proxy: {why}"),
        }
        self
    }

    /// Sets the proxies whose connections begin with a header of the [PROXY protocol], version 1 or 2, before TLS and
    /// HTTP. The address in it is that of the client, as for [`trusted_proxies`](Self::trusted_proxies). Default: none.
    ///
    /// An element is an IP address, a network like `10.0.0.0/8`, or `unix:` for the clients of
    /// [Unix sockets](Self::serve_unix). The addresses are those that connect. A proxy in
    /// the list has to send the header on each connection. Connections of other clients are served as always, so that
    /// a header from them is a malformed request.
    ///
    /// A header that is malformed, longer than 4,096 bytes, or not complete within the
    /// [`handshake_timeout`](Self::handshake_timeout), ends the connection without an answer; the log has a line at the
    /// level `debug`. A header without an address (`UNKNOWN`, `LOCAL`, a Unix socket) leaves the proxy's. Other data
    /// of version 2 is not used. The feature is `proxy-protocol`.
    ///
    /// [PROXY protocol]: https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt
    ///
    /// # Panics
    ///
    /// Panics if an element is malformed.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::{TcpListener, TcpStream}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let page = axum::Router::new().fallback(async |PeerAddr(addr): PeerAddr| addr.to_string());
    /// let router: Router = Router::new().proxy_protocol(["127.0.0.1"]).fallback(page);
    /// # let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    /// # let mut proxy = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// # tokio::spawn(router.serve_listener(listener, std::future::pending()));
    /// // The proxy sends:
    /// proxy.write_all(b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 443\r\n").await.unwrap();
    /// proxy.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    /// let mut answer = String::new();
    /// proxy.read_to_string(&mut answer).await.unwrap();
    /// assert!(answer.ends_with("203.0.113.7:40000"));
    /// # }
    /// ```
    #[cfg(feature = "proxy-protocol")]
    #[track_caller]
    pub fn proxy_protocol(mut self, networks: impl IntoIterator<Item: AsRef<str>>) -> Self {
        match TrustedProxies::parse(networks) {
            Ok(proxies) => self.settings.proxy_protocol = proxies,
            Err(why) => panic!("cannot trust a proxy: {why}"),
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn proxies() -> TrustedProxies {
        TrustedProxies::parse(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]).unwrap()
    }

    #[track_caller]
    fn check(peer: &str, lines: &[(&'static str, &str)], expected: &str) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        let addr = match proxies().client_addr(Some(SocketAddr::new(peer.parse().unwrap(), 0)), &headers) {
            Ok(addr) => addr.unwrap().ip().to_string(),
            Err(rejection) => rejection.reason().into_owned(),
        };
        assert_eq!(addr, expected, "{peer} {lines:?}");
    }

    #[test]
    fn networks() {
        let proxies = proxies();
        for (addr, is_trusted) in [
            ("10.0.0.0", true),
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("::ffff:10.1.2.3", true),
            ("::10.1.2.3", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("2001:db8:ffff::", true),
            ("2001:db9::", false),
        ] {
            assert_eq!(proxies.contains(addr.parse().unwrap()), is_trusted, "{addr}");
        }
        for all in ["0.0.0.0/0", "::/0"] {
            let all = TrustedProxies::parse([all]).unwrap();
            assert_ne!(
                all.contains("10.0.0.1".parse().unwrap()),
                all.contains("2001:db8::1".parse().unwrap())
            );
        }
        let mapped = TrustedProxies::parse(["::ffff:10.0.0.1", "::ffff:172.16.0.0/108"]).unwrap();
        for (addr, is_trusted) in [
            ("10.0.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("10.0.0.2", false),
            ("172.31.255.255", true),
            ("172.32.0.0", false),
        ] {
            assert_eq!(mapped.contains(addr.parse().unwrap()), is_trusted, "{addr}");
        }
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "::ffff:10.0.0.0/95",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "localhost",
            "10.0.0.1:80",
        ] {
            let error = TrustedProxies::parse([text]).unwrap_err();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn hops_count_from_the_right() {
        let xff = |value| [("x-forwarded-for", value)];
        // A client other than a proxy.
        check("203.0.113.9", &xff("203.0.113.7"), "203.0.113.9");
        check("10.0.0.1", &xff("203.0.113.7"), "203.0.113.7");
        check("10.0.0.1", &xff("1.2.3.4, 203.0.113.7"), "203.0.113.7");
        // The client lists itself behind a proxy, which it is not.
        check("10.0.0.1", &xff("1.2.3.4, 10.0.0.9, 203.0.113.7, 10.0.0.2, 192.0.2.1"), "203.0.113.7");
        // A client of the inner network.
        check("10.0.0.1", &xff("10.0.0.7"), "10.0.0.7");
        check("10.0.0.1", &xff("10.0.0.7, 10.0.0.2"), "10.0.0.7");
        check("10.0.0.1", &xff("unknown"), "10.0.0.1");
        check("10.0.0.1", &xff("1.2.3.4, unknown, 10.0.0.2"), "10.0.0.2");
        check("10.0.0.1", &xff(""), "10.0.0.1");
        check("10.0.0.1", &[], "10.0.0.1");
        // Several lines are one list.
        check(
            "10.0.0.1",
            &[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "203.0.113.7")],
            "203.0.113.7",
        );
        check("10.0.0.1", &[("forwarded", "for=1.2.3.4, for=203.0.113.7;proto=https")], "203.0.113.7");
        check("2001:db8::1", &[("forwarded", "for=\"[2001:db7::7]:1\"")], "2001:db7::7");
    }

    #[test]
    fn contradicting_headers_are_errors() {
        let both = |forwarded, xff| [("forwarded", forwarded), ("x-forwarded-for", xff)];
        let contradict = "Forwarded and X-Forwarded-For contradict each other";
        check("10.0.0.1", &both("for=203.0.113.7", "1.2.3.4, 203.0.113.7"), "203.0.113.7");
        check("10.0.0.1", &both("for=1.2.3.4", "203.0.113.7"), contradict);
        check("10.0.0.1", &both("for=203.0.113.7", "1.2.3.4"), contradict);
        check("10.0.0.1", &both("for=10.0.0.1", "203.0.113.7"), contradict);
        check("10.0.0.1", &both("for=_hidden", "203.0.113.7"), contradict);
        check("10.0.0.1", &both("", "203.0.113.7"), contradict);
        check("10.0.0.1", &both("for=\"", "203.0.113.7"), "Forwarded is malformed");
        // What the proxy appends to the line of a client.
        check("10.0.0.1", &[("forwarded", "x=\", for=203.0.113.7")], "Forwarded is malformed");
        // The headers of another client do not count.
        check("203.0.113.9", &both("for=1.2.3.4", "for=\""), "203.0.113.9");
    }

    proptest! {
        /// The reference reads a stored list from its end.
        #[test]
        fn list_is_read_as_if_from_its_end(hops in vec(prop_oneof![Just(None), (0..4_u8).prop_map(Some)], 0..8)) {
            let addrs = ["10.0.0.7:1", "10.0.0.8:2", "203.0.113.7:3", "203.0.113.8:4"];
            let hops = hops.into_iter().map(|hop| hop.map(|hop| addrs[usize::from(hop)].parse().unwrap()));
            let (hops, proxies): (Vec<Hop>, _) = (hops.collect(), proxies());
            let proxy = Some("192.0.2.1:5".parse().unwrap());
            let mut expected = proxy;
            for hop in hops.iter().rev().map_while(|hop| *hop) {
                expected = Some(hop);
                if !proxies.contains(hop.ip()) {
                    break;
                }
            }
            let mut last = LastClient::new(&proxies, proxy);
            hops.iter().for_each(|hop| last.add(*hop));
            prop_assert_eq!(last.addr, expected);
        }
    }
}
