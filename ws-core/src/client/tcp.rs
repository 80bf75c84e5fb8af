//! TCP connections to a name, which may have several addresses (RFC 8305).

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// How long an attempt may take before the next address is tried beside it (RFC 8305 §5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to the first address of a host that answers.
pub(super) async fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let addrs = lookup_host((host, port)).await?.collect();
    let tcp = connect_any(alternate(addrs), TcpStream::connect).await?;
    // A message is one write, which Nagle's algorithm would delay.
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// Lets the two families of addresses alternate, with the family of the first address first (RFC 8305 §4).
fn alternate(addrs: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let starts_with_ipv6 = addrs.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addrs.into_iter().partition(|addr| addr.is_ipv6() == starts_with_ipv6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    std::iter::from_fn(|| {
        std::mem::swap(&mut first, &mut second);
        second.next().or_else(|| first.next())
    })
    .collect()
}

/// Connects to the addresses in turn, and returns the first connection. The next attempt begins when one has failed,
/// and beside one that takes longer than [`ATTEMPT_DELAY`].
///
/// Returns the error of the last attempt that failed, if all do.
async fn connect_any<F, T>(addrs: Vec<SocketAddr>, connect: impl Fn(SocketAddr) -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut attempts = FuturesUnordered::new();
    let mut addrs = addrs.into_iter();
    let mut error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        let next = addrs.next().map(&connect);
        let is_last = next.is_none();
        attempts.extend(next);
        let ended = if is_last {
            attempts.next().await
        } else {
            match timeout(ATTEMPT_DELAY, attempts.next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        };
        match ended {
            Some(Ok(connection)) => return Ok(connection),
            Some(Err(failed)) => error = failed,
            None => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{Instant, sleep};

    use super::*;

    fn addrs(text: &str) -> Vec<SocketAddr> {
        text.split_whitespace().map(|host| format!("{host}:80").parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate() {
        for (resolved, expect) in [
            ("[::1] [::2] [::3] 10.0.0.1", "[::1] 10.0.0.1 [::2] [::3]"),
            ("10.0.0.1 10.0.0.2 [::1]", "10.0.0.1 [::1] 10.0.0.2"),
            ("10.0.0.1", "10.0.0.1"),
            ("", ""),
        ] {
            assert_eq!(alternate(addrs(resolved)), addrs(expect));
        }
    }

    /// Connects to the address that ends with 9. One that ends with 1 fails after a second, others never answer.
    async fn connect(addr: SocketAddr) -> io::Result<SocketAddr> {
        match addr.ip().to_string().chars().last() {
            Some('9') => Ok(addr),
            Some('1') => {
                sleep(Duration::from_millis(100)).await;
                Err(io::ErrorKind::ConnectionRefused.into())
            }
            _ => pending().await,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_does_not_answer_delays_the_next_only() {
        for (text, millis) in [
            ("10.0.0.9 10.0.0.1", 0),
            ("10.0.0.1 10.0.0.9", 100),
            ("10.0.0.2 10.0.0.9", 250),
            ("10.0.0.2 10.0.0.3 10.0.0.1 10.0.0.9", 600),
        ] {
            let began = Instant::now();
            let found = connect_any(addrs(text), connect).await.unwrap();
            assert_eq!(found, addrs("10.0.0.9")[0]);
            assert_eq!(began.elapsed(), Duration::from_millis(millis), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_error_is_returned() {
        let failed = connect_any(addrs("10.0.0.1 [::1]"), connect).await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::ConnectionRefused);
        let failed = connect_any(Vec::new(), connect).await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::NotFound);
    }
}
