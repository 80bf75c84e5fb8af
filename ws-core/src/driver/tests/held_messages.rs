//! Published messages that a policy which drops keeps in their queue, until the client has read.

use std::time::Duration;

use tokio::io::{BufStream, duplex};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::sleep;

use super::peer::Peer;
use super::start;
use crate::clock::now;
use crate::connections::{ConnectionLimits, ConnectionPermit, ConnectionTracker};
use crate::context::Context;
use crate::driver::run;
use crate::handler::Handler;
use crate::prelude::*;
use crate::transport::Transport;
use crate::wire::Connection;

#[websocket(overflow = latest)]
struct Ticker(Topic<String>);

#[websocket]
impl Ticker {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.forward(&self.0);
    }
}

/// Like `Ticker`, but with a method.
#[websocket(overflow = drop_oldest, mailbox = 1)]
struct Reporter(Topic<String>);

#[websocket]
impl Reporter {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.subscribe(&self.0);
    }

    #[on_info]
    async fn tick(&mut self, tick: Published<String>) -> String {
        yield_now().await;
        format!("\"{}\"", *tick)
    }
}

/// The streams that a connection runs over.
#[derive(Clone, Copy, Debug)]
enum Over {
    /// Through 64 bytes of buffer.
    Socket,
    /// The same behind a buffer of the stream itself, as TLS has.
    Buffer,
}

fn spawn<H: Handler, T: Transport + 'static>(
    handler: H,
    io: T,
    permit: ConnectionPermit,
) -> JoinHandle<CloseReason> {
    let options = H::CHECKED_DECLARATION.options;
    let cx = Context::new(Connection::new(options.into(), Vec::new(), now()), None, None);
    tokio::spawn(run(handler, cx, io, Some(permit)))
}

/// Connects a subscriber, and publishes a hundred numbers of 100 characters.
async fn publish<H: Handler>(over: Over, make: fn(Topic<String>) -> H) -> Peer {
    let ticks = Hub::local().topic::<String>("ticks");
    let (client, server) = duplex(64);
    let connections = std::sync::Arc::<ConnectionTracker>::default();
    let Ok(permit) = connections.admit(&ConnectionLimits::new(10), None) else { unreachable!("one of ten") };
    let handler = make(ticks.clone());
    let task = match over {
        Over::Socket => start(handler, H::CHECKED_DECLARATION.options, server, Some(permit)),
        Over::Buffer => spawn(handler, BufStream::new(server), permit),
    };
    while ticks.subscribers() == 0 {
        yield_now().await;
    }
    for tick in 0..100 {
        ticks.publish(format!("{tick:>100}")).unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    Peer { io: client, log: mpsc::unbounded_channel().1, task, connections }
}

async fn expect_oldest_and_newest(peer: &mut Peer) {
    for tick in ["0", "99"] {
        assert_eq!(peer.text().await, format!("\"{tick:>100}\""));
    }
}

#[tokio::test(start_paused = true)]
async fn newest_message_follows_the_one_that_the_stream_refused() {
    for over in [Over::Socket, Over::Buffer] {
        println!("{over:?}");
        expect_oldest_and_newest(&mut publish(over, Ticker).await).await;
        expect_oldest_and_newest(&mut publish(over, Reporter).await).await;
    }
}

/// A connection that drains gets no newer messages, so nothing replaces those that wait.
#[tokio::test(start_paused = true)]
async fn shutdown_sends_the_messages_that_wait() {
    for over in [Over::Socket, Over::Buffer] {
        println!("{over:?}");
        for mut peer in [publish(over, Ticker).await, publish(over, Reporter).await] {
            peer.connections.shut_down(now() + Duration::from_secs(5));
            sleep(Duration::from_millis(1)).await;
            expect_oldest_and_newest(&mut peer).await;
            assert_eq!(peer.closed().await, 1001);
        }
    }
}
