//! Clients that read nothing, acknowledge nothing, or close at the wrong moment.

use tokio::time::{sleep, timeout};

use super::client::begin;
use super::{Log, Logged, S};
use crate::handler::Handler;
use crate::prelude::*;

/// The answers to pings are no memory that a client can fill.
#[tokio::test(start_paused = true)]
async fn answers_to_a_client_that_does_not_read_are_bounded() {
    let mut peer = begin(256, Logged::CHECKED_DECLARATION.options, Logged).await;
    assert_eq!(peer.event().await, "open");
    for number in 0..2_000 {
        peer.send_object(&format!("{{\"ping\":{number}}}")).await;
    }
    let mut pongs = 0;
    loop {
        let pong = peer.object("pong").await;
        pongs += 1;
        if pong == 1_999 {
            break;
        }
    }
    // What the stream holds, the frame that waits for it, and the last one.
    assert!(pongs < 40, "{pongs} answers had waited");
}

/// What the client lacks is sent, however little its connection takes at a time.
#[tokio::test(start_paused = true)]
async fn replay_needs_no_further_message_of_the_handler() {
    #[websocket(session, ping_interval = none, idle_timeout = none)]
    struct Count(#[allow(dead_code)] Log);
    #[websocket]
    impl Count {
        #[on_open]
        fn open(&mut self) -> Vec<String> {
            (0..100).map(|number| number.to_string()).collect()
        }
    }
    let mut peer = begin(1 << 16, Count::CHECKED_DECLARATION.options, Count).await;
    sleep(S).await;
    peer.cut();
    sleep(S).await;
    // The handler has nothing more to send, and the stream takes 64 bytes.
    peer.shrink(64);
    assert!(peer.resume().await);
    for number in 0..100 {
        let text = timeout(60 * S, peer.text()).await.expect("the session stands still");
        assert_eq!(text, number.to_string());
    }
}
