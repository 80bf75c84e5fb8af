//! Clients that read nothing, acknowledge nothing, or close at the wrong moment.

use super::client::begin;
use super::Logged;
use crate::handler::Handler;

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
