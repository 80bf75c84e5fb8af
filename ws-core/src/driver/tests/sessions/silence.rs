//! Which clients count as silent.

use tokio::time::{Instant, sleep};

use super::client::{Read, begin};
use super::{Log, S};
use crate::handler::Handler;
use crate::prelude::*;

/// Pings of the session protocol are for clients that have no control frames, and show that they live.
#[tokio::test(start_paused = true)]
async fn client_that_sends_only_objects_of_the_session_is_not_silent() {
    #[websocket(session, idle_timeout = 20s, ping_interval = none)]
    struct Idle(Log);
    #[websocket]
    impl Idle {
        #[on_detach]
        fn detach(&mut self) {
            self.0.send("detach".into()).unwrap();
        }
    }
    let mut peer = begin(1 << 10, Idle::CHECKED_DECLARATION.options, Idle).await;
    for number in 0..20 {
        sleep(6 * S).await;
        assert!(peer.log.try_recv().is_err(), "{number}");
        peer.send_object(&format!("{{\"ping\":{number}}}")).await;
        assert_eq!(peer.object("pong").await, number);
    }
    let start = Instant::now();
    assert_eq!(peer.event().await, "detach");
    // The limit starts again when it is found that the client has sent something since.
    assert!((20..=40).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

/// The ping that a lost connection has not answered is none of the next connection.
#[tokio::test(start_paused = true)]
async fn next_connection_owes_no_answer() {
    #[websocket(session(resume = 2m), idle_timeout = none, ping_interval = 25s, pong_timeout = 20s)]
    struct Pinged(Log);
    #[websocket]
    impl Pinged {
        #[on_detach]
        fn detach(&mut self) {
            self.0.send("detach".into()).unwrap();
        }
    }
    for is_takeover in [false, true] {
        let mut peer = begin(1 << 10, Pinged::CHECKED_DECLARATION.options, Pinged).await;
        sleep(26 * S).await;
        let earlier = peer.io.take();
        if !is_takeover {
            drop(earlier);
            assert_eq!(peer.event().await, "detach");
        }
        sleep(4 * S).await;
        let start = Instant::now();
        assert!(peer.resume().await);
        assert_eq!(peer.read().await, Read::Ping);
        assert_eq!(start.elapsed().as_secs(), 25);
        assert!(peer.log.try_recv().is_err(), "the client was not silent");
    }
}
