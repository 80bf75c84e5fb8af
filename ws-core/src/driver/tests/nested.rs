//! Connections that run inside the methods of another connection, on the same thread.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::peer::{connect_with, frame};
use crate::clock::now;
use crate::context::Context as Cx;
use crate::driver::run;
use crate::handler::Handler;
use crate::options::Options;
use crate::prelude::*;
use crate::wire::Connection;

/// Above the zero-copy threshold, and within one read.
const LEN: usize = 10_000;

#[websocket]
#[derive(Default)]
struct Echo;

#[websocket]
impl Echo {
    #[on_binary]
    fn echo<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        assert_ne!(bytes, b"panic");
        bytes
    }
}

/// Runs a connection with this input to its end. Returns the output.
async fn inner(input: &[u8]) -> Vec<u8> {
    let (mut client, server) = duplex(1 << 20);
    client.write_all(input).await.unwrap();
    client.shutdown().await.unwrap();
    let cx = Cx::new(Connection::new(Arc::new(Options::DEFAULT), Vec::new(), now()), None, None);
    run(Echo, cx, server, None).await;
    let mut output = Vec::new();
    client.read_to_end(&mut output).await.unwrap();
    output
}

/// Like [`inner`], but blocks.
fn inner_now(input: &[u8]) -> Vec<u8> {
    let mut inner = pin!(inner(input));
    loop {
        if let Poll::Ready(output) = inner.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())) {
            return output;
        }
    }
}

fn input(byte: u8) -> Vec<u8> {
    [frame(0x82, &[byte; LEN]), frame(0x82, &[byte; 3]), frame(0x02, &[byte; 5])].concat()
}

fn check(output: &[u8], byte: u8) {
    assert_eq!(output[..4], [0x82, 126, (LEN >> 8) as u8, LEN as u8]);
    assert_eq!(output[4..4 + LEN], [byte; LEN]);
    assert_eq!(output[4 + LEN..4 + LEN + 5], [0x82, 3, byte, byte, byte]);
    // The last message is incomplete.
    assert_eq!(output.len(), 4 + LEN + 5);
}

#[websocket]
#[derive(Default)]
struct Outer;

#[websocket]
impl Outer {
    #[on_binary]
    fn echo<'a>(&mut self, bytes: &'a [u8], cx: &mut Context<Self>) -> &'a [u8] {
        cx.send("before");
        check(&inner_now(&input(7)), 7);
        // A connection that panics drops its buffers.
        assert!(inner_now(&frame(0x82, b"panic")).starts_with(&[0x88]));
        check(&inner_now(&input(8)), 8);
        bytes
    }
}

#[websocket]
#[derive(Default)]
struct AsyncOuter;

#[websocket]
impl AsyncOuter {
    #[on_binary]
    async fn echo(&mut self, bytes: Vec<u8>, cx: &mut Context<Self>) -> Vec<u8> {
        cx.send("before");
        check(&inner(&input(7)).await, 7);
        tokio::task::yield_now().await;
        assert!(inner(&frame(0x82, b"panic")).await.starts_with(&[0x88]));
        check(&inner(&input(8)).await, 8);
        bytes
    }
}

async fn check_both<H: Handler + Default>() {
    let mut peer = connect_with(1 << 20, H::CHECKED_DECLARATION.options, |_| H::default());
    for len in [LEN, 3] {
        peer.raw(&[frame(0x82, &vec![1; len]), frame(0x82, &vec![2; len])].concat()).await;
        for byte in [1, 2] {
            assert_eq!(peer.text().await, "before");
            assert_eq!(peer.frame().await.unwrap().payload, vec![byte; len]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn connection_inside_a_method() {
    check_both::<Outer>().await;
}

#[tokio::test(start_paused = true)]
async fn connection_inside_an_async_method() {
    check_both::<AsyncOuter>().await;
}
