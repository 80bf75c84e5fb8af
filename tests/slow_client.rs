//! A client that does not read, over a real socket: what it receives after it begins to read.

use std::time::Duration;

use tests::{RawClient, Server, TIMEOUT, serve};
use tokio::net::TcpSocket;
use tokio::time::{sleep, timeout};
use ws_core::prelude::*;

/// Bytes of a tick on the wire.
const TICK: usize = 124;
const TICKS: usize = 20_000;

/// The client's receive buffer, which Linux doubles.
const RECEIVE_BUFFER: u32 = 32 << 10;

/// Ticks that the network may hold: the receive buffer, the unsent limit and as much again, because the kernel
/// counts its own data structures.
const MAX_STALE: usize = 4 * (2 * RECEIVE_BUFFER as usize + (16 << 10)) / TICK;

macro_rules! tickers {
    ($($name:ident ($($options:tt)*))*) => {$(
        #[websocket($($options)*)]
        struct $name(Topic<String>);

        #[websocket]
        impl $name {
            #[on_upgrade]
            fn make(State(ticks): State<Topic<String>>) -> Self {
                Self(ticks)
            }

            #[on_open]
            fn open(&mut self, cx: &mut Context<Self>) {
                cx.forward(&self.0);
            }
        }
    )*};
}

tickers! {
    Latest(path = "/latest", overflow = latest)
    Unlimited(path = "/unlimited", overflow = latest, unsent_limit = none)
    Small(path = "/small", overflow = latest, unsent_limit = none, send_buffer = 8KiB)
}

/// Connects a client with a small receive buffer.
async fn connect(server: &Server, path: &str) -> RawClient {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(RECEIVE_BUFFER).unwrap();
    let mut client = RawClient(socket.connect(server.addr).await.unwrap());
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    assert_eq!(client.request(&request).await.status, 101);
    client
}

/// Returns how many ticks a client receives before the newest one, if it begins to read after the last.
async fn stale(server: &Server, ticks: &Topic<String>, path: &str) -> usize {
    while ticks.subscribers() > 0 {
        sleep(Duration::from_millis(1)).await;
    }
    let mut client = connect(server, path).await;
    // The subscription begins with the method `open`.
    while ticks.subscribers() == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    for tick in 0..TICKS {
        ticks.publish(format!("{tick:>120}")).unwrap();
        tokio::task::yield_now().await;
        if tick % 100 == 0 {
            // Workers run on threads of their own.
            sleep(Duration::from_millis(1)).await;
        }
    }
    let newest = format!("\"{:>120}\"", TICKS - 1);
    for stale in 0.. {
        let (_, tick) = timeout(TIMEOUT, client.frame()).await.unwrap().unwrap();
        if tick == newest.as_bytes() {
            return stale;
        }
    }
    unreachable!("the newest tick is sent")
}

#[tokio::test]
async fn newest_tick_follows_what_the_network_holds() {
    for workers in [0, 1] {
        let ticks = Hub::local().topic::<String>("ticks");
        let mut router = Router::new().mount::<Latest>().mount::<Unlimited>().mount::<Small>();
        if workers > 0 {
            router = router.workers(workers);
        }
        let server = serve(router.with_state(ticks.clone())).await;
        let unlimited = stale(&server, &ticks, "/unlimited").await;
        let small = stale(&server, &ticks, "/small").await;
        let latest = stale(&server, &ticks, "/latest").await;
        println!("{workers} workers, stale ticks: {latest}; send_buffer {small}; no limit {unlimited}");
        if cfg!(target_os = "linux") {
            assert!(latest < MAX_STALE, "{latest} of {MAX_STALE}");
            assert!(unlimited > 2 * latest, "{unlimited}, and {latest} with the limit: it has no effect");
        }
        assert!(small < MAX_STALE, "{small} of {MAX_STALE}");
    }
}
