//! The header of the PROXY protocol, which a proxy sends before the bytes of its client.

use std::io;
use std::net::SocketAddr;

use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The length of the shortest header of version 1: `PROXY UNKNOWN`. Those of version 2 are longer.
const MIN_LEN: usize = 15;

/// The maximum length of a header of version 1.
const MAX_V1: usize = 107;

/// The maximum length of a header of version 2. The protocol allows 64 KiB, of which addresses need 232 bytes.
const MAX_V2: usize = 4096;

/// The length of the part of version 2 that ends with the length of the remainder.
const V2_HEAD: usize = 16;

const V1_START: &[u8] = b"PROXY ";
const V2_START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The version 2 and the command of a connection that the proxy opens for itself, for example for a health check.
const V2_LOCAL: u8 = 0x20;

/// Reads a header, and no byte after it. Returns the client's address, or `None` if the header has none.
///
/// # Errors
///
/// The header is malformed or too long, or the connection has ended.
pub(super) async fn read_header<T: AsyncRead + Unpin>(stream: &mut T) -> io::Result<Option<SocketAddr>> {
    let mut header = vec![0; MIN_LEN];
    stream.read_exact(&mut header).await?;
    if header.starts_with(V1_START) {
        // The bytes that follow the line belong to TLS or HTTP, so the end of the line is read byte by byte.
        while !header.ends_with(b"\n") {
            if header.len() == MAX_V1 {
                return Err(invalid("the line is too long"));
            }
            header.push(stream.read_u8().await?);
        }
    } else if header.starts_with(V2_START) {
        header.push(stream.read_u8().await?);
        let len = V2_HEAD + usize::from(u16::from_be_bytes([header[14], header[15]]));
        if len > MAX_V2 {
            return Err(invalid("the header is too long"));
        }
        header.resize(len, 0);
        stream.read_exact(&mut header[V2_HEAD..]).await?;
    } else {
        return Err(invalid("the connection begins with other bytes"));
    }
    parse(&header)
}

fn parse(header: &[u8]) -> io::Result<Option<SocketAddr>> {
    // PROXY protocol §2.2: the receiver of `LOCAL` ignores the family and the addresses, which need not be valid. The
    // crate reads them first.
    if header.starts_with(V2_START) && header.get(V2_START.len()) == Some(&V2_LOCAL) {
        return Ok(None);
    }
    let config = ParseConfig { include_tlvs: false, ..ParseConfig::default() };
    match ProxyHeader::parse(header, config) {
        Ok((parsed, len)) if len == header.len() => match parsed.proxied_address() {
            Some(addr) if addr.protocol != Protocol::Stream => Err(invalid("the header is about datagrams")),
            addr => Ok(addr.map(|addr| addr.source)),
        },
        Ok(_) => Err(invalid("the header has another length")),
        Err(error) => Err(invalid(error)),
    }
}

fn invalid(why: impl Into<crate::BoxError>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Reads a header from bytes. Returns its result and the bytes that are left.
    fn read(mut bytes: &[u8]) -> (io::Result<Option<SocketAddr>>, &[u8]) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let result = runtime.block_on(read_header(&mut bytes));
        (result, bytes)
    }

    /// Returns a header of version 2: its command, its family, and what follows the length.
    fn v2(command: u8, family: u8, data: &[u8]) -> Vec<u8> {
        let len = u16::try_from(data.len()).unwrap().to_be_bytes();
        [V2_START, &[command, family], &len, data].concat()
    }

    const IPV4: [u8; 12] = [203, 0, 113, 7, 192, 0, 2, 1, 0x9c, 0x40, 0x01, 0xbb];

    #[track_caller]
    fn check(header: &[u8], expected: &str) {
        let input = [header, b"GET /"].concat();
        let (addr, left) = read(&input);
        let addr = addr.unwrap().map_or_else(|| "none".to_owned(), |addr| addr.to_string());
        assert_eq!((addr.as_str(), left), (expected, &b"GET /"[..]), "{}", header.escape_ascii());
    }

    #[test]
    fn valid_headers() {
        check(b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 443\r\n", "203.0.113.7:40000");
        check(b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 443\r\n", "[2001:db8::7]:40000");
        let longest = format!("PROXY TCP6 {0} {0} 65535 65535\r\n", ["ffff"; 8].join(":"));
        check(longest.as_bytes(), "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
        check(b"PROXY UNKNOWN\r\n", "none");
        check(b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "none");
        check(&v2(0x21, 0x11, &IPV4), "203.0.113.7:40000");
        let ipv6 =
            [&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7][..], &[0; 16], &[0x9c, 0x40, 1, 0xbb]];
        check(&v2(0x21, 0x21, &ipv6.concat()), "[2001:db8::7]:40000");
        check(&v2(0x20, 0x00, &[]), "none");
        check(&v2(0x20, 0x11, &IPV4), "none");
        // The address block of `LOCAL` is ignored: an unknown family, too few bytes, none, datagrams, a Unix socket.
        for (family, block) in
            [(0x41, &IPV4[..]), (0xff, &[]), (0x11, &IPV4[..8]), (0x21, &[]), (0x12, &IPV4)]
        {
            check(&v2(0x20, family, block), "none");
        }
        check(&v2(0x20, 0x31, b"/run"), "none");
        check(&v2(0x21, 0x00, &[]), "none");
        check(&v2(0x21, 0x31, &[b'/'; 216]), "none");
        // Other data follows the addresses, up to the limit.
        let data = [&IPV4[..], &vec![0; MAX_V2 - V2_HEAD - IPV4.len()]].concat();
        check(&v2(0x21, 0x11, &data), "203.0.113.7:40000");
    }

    #[test]
    fn invalid_headers() {
        let too_long = v2(0x21, 0x11, &[0; MAX_V2 - V2_HEAD + 1]);
        let line = [b"PROXY UNKNOWN ", &[b'x'; MAX_V1][..], b"\r\n"].concat();
        let udp = v2(0x21, 0x12, &IPV4);
        for (bytes, why) in [
            (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], "begins with other bytes"),
            (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\0\0\0\0\0\0", "begins with other bytes"),
            (b"proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n", "begins with other bytes"),
            (b"PROXY TCP4 203.0.113.7\r\nx", "too short"),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", "invalid"),
            (b"PROXY TCP4 2001:db8::7 2001:db8::1 1 1\r\n", "invalid"),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n", "too short"),
            (b"PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n", "invalid"),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 1", "eof"),
            (b"PROXY", "eof"),
            (b"", "eof"),
            (&line, "the line is too long"),
            (&too_long, "the header is too long"),
            (&udp, "datagrams"),
            (&v2(0x31, 0x11, &IPV4), "invalid"),
            (&v2(0x22, 0x11, &IPV4), "invalid"),
            (&v2(0x21, 0x41, &IPV4), "invalid"),
            (&v2(0x21, 0x11, &IPV4[..8]), "too short"),
            (&v2(0x21, 0x11, &IPV4)[..20], "eof"),
        ] {
            let error = read(bytes).0.unwrap_err();
            let is_eof = why == "eof" && error.kind() == io::ErrorKind::UnexpectedEof;
            assert!(is_eof || error.to_string().contains(why), "{}: {error}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(start in 0..3_usize, bytes in vec(any::<u8>(), 0..300)) {
            let bytes = [[b"", V1_START, V2_START][start], &bytes].concat();
            let (_, left) = read(&bytes);
            prop_assert!(bytes.len() - left.len() <= MAX_V2);
        }
    }
}
