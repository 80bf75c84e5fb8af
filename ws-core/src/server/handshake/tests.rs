use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::*;
use crate::connections::{ConnectionLimits, ConnectionTracker};
use crate::router::Router;
use crate::server::handshake_timeouts::{HandshakeTimeouts, SharedTimer};
use crate::server::peer::PeerName;

const TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn slow_preface_gets_no_extra_time() {
    let server = Arc::new(Router::new().handshake_timeout(TIMEOUT));
    let timeouts = HandshakeTimeouts::new(TIMEOUT);
    let permit = Arc::<ConnectionTracker>::default().admit(&ConnectionLimits::new(1), None).unwrap();
    let (addr, deadline) = (PeerName(Some((Ipv4Addr::LOCALHOST, 1).into())), Instant::now() + TIMEOUT);
    let peer = Peer {
        server,
        timeouts: Arc::clone(&timeouts),
        addr,
        deadline,
        is_delayed: false,
        #[cfg(feature = "tls")]
        certificate: None,
        unanswered: None,
        permit,
    };
    let (mut client, stream) = tokio::io::duplex(64);
    let send_slowly = async {
        for byte in PREFACE {
            tokio::time::sleep(TIMEOUT - Duration::from_secs(1)).await;
            client.write_all(&[*byte]).await.unwrap();
        }
        std::future::pending().await
    };
    let mut timer = SharedTimer::new();
    let run_timer = poll_fn(|task| {
        timeouts.poll(task, &mut timer);
        Poll::Pending
    });
    let start = Instant::now();
    tokio::select! {
        () = send_slowly => {}
        () = run_timer => {}
        first = peer.read_first_request(stream, false) => assert!(matches!(first, FirstRequest::Closed)),
    }
    assert_eq!(start.elapsed(), TIMEOUT);
}
