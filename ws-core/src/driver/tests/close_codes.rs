//! The codes and texts with which the server closes, declared ones and the defaults.

use std::time::Duration;

use super::peer::{Log, Peer, connect_with, frame, options};
use crate::clock::now;
use crate::close::CloseCodes;
use crate::options::{Options, Unhandled};
use crate::prelude::*;

#[websocket(idle_timeout = 20s, max_message_size = 100KiB, max_message_rate = 5, close_codes(timeout = 3000))]
struct Coded(#[allow(dead_code)] Log);

#[websocket]
impl Coded {
    #[on_text]
    fn text(&mut self, Json(text): Json<String>, cx: &mut Context<Self>) -> Result<(), &'static str> {
        match &*text {
            "crash" => panic!("secret"),
            "fail" => return Err("secret"),
            "empty" => cx.close(Close::empty()),
            "text without a code" => cx.close(Close { reason: "text".into(), ..Close::empty() }),
            "flood" => (0..100).for_each(|_| cx.send(vec![0; 20_000])),
            _ => {}
        }
        Ok(())
    }
}

type Codes = fn(&mut CloseCodes) -> &mut (u16, &'static str);

/// Encodes a command to the handler.
fn text(text: &str) -> Vec<u8> {
    frame(0x81, format!("{text:?}").as_bytes())
}

/// How a connection comes to its end, with the cause in `CloseCodes`.
fn causes() -> Vec<(&'static str, Codes, Vec<u8>)> {
    vec![
        ("timeout", |codes| &mut codes.timeout, vec![]),
        ("pong", |codes| &mut codes.pong, vec![]),
        ("expired", |codes| &mut codes.expired, vec![]),
        ("shutdown", |codes| &mut codes.shutdown, vec![]),
        ("overflow", |codes| &mut codes.overflow, text("flood")),
        ("rate", |codes| &mut codes.rate, text("").repeat(6)),
        ("size", |codes| &mut codes.size, frame(0x82, &[0; 102_401])),
        ("unsupported", |codes| &mut codes.unsupported, frame(0x82, b"binary")),
        ("decode", |codes| &mut codes.decode, frame(0x81, b"not JSON")),
        ("error", |codes| &mut codes.error, text("fail")),
        ("panic", |codes| &mut codes.panic, text("crash")),
    ]
}

/// Ends a connection for a cause, and returns the payload of the server's close frame.
async fn close_of(cause: &str, input: &[u8], codes: CloseCodes) -> Vec<u8> {
    let change = |options: &mut Options| {
        options.close_codes = codes;
        options.unhandled = Unhandled::Close;
        options.ping_interval = (cause == "pong").then_some(Duration::from_secs(1));
        options.pong_timeout = Duration::from_secs(1);
        options.max_lifetime = (cause == "expired").then_some(Duration::from_secs(1));
    };
    let mut peer = connect_with(64, options::<Coded>(change), Coded);
    peer.raw(input).await;
    if cause == "shutdown" {
        peer.connections.shut_down(now() + Duration::from_secs(5));
    }
    close_frame(&mut peer).await
}

async fn close_frame(peer: &mut Peer) -> Vec<u8> {
    loop {
        let frame = peer.frame().await.expect("a close frame");
        if frame.opcode == 8 {
            return frame.payload;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_cause_sends_its_code_and_text() {
    for (name, field, input) in causes() {
        for declared in [None, Some((4999, "a text")), Some((1013, ""))] {
            let mut codes = CloseCodes::DEFAULT;
            let pair = field(&mut codes);
            *pair = declared.unwrap_or(*pair);
            let (code, text) = *pair;
            let expected = [&code.to_be_bytes(), text.as_bytes()].concat();
            assert_eq!(close_of(name, &input, codes).await, expected, "{name} {declared:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn declared_code_keeps_the_text() {
    assert_eq!(options::<Coded>(|_| {}).close_codes.timeout, (3000, "idle timeout"));
    assert_eq!(options::<Coded>(|_| {}).close_codes.panic, CloseCodes::DEFAULT.panic);
}

#[tokio::test(start_paused = true)]
async fn code_that_may_not_be_sent_becomes_1011() {
    for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, u16::MAX] {
        let codes = CloseCodes { timeout: (code, "text"), ..CloseCodes::DEFAULT };
        assert_eq!(close_of("timeout", &[], codes).await, b"\x03\xf3text", "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn close_frame_can_be_empty() {
    let mut peer = connect_with(64, options::<Coded>(|_| {}), Coded);
    peer.raw(&text("empty")).await;
    assert_eq!(peer.frame().await.map(|frame| (frame.opcode, frame.payload)), Some((8, vec![])));
    peer.raw(&frame(0x88, b"")).await;
    assert_eq!(peer.frame().await, None);
    assert_eq!(peer.task.await.unwrap(), CloseReason::Stop(Close::empty()));
}

#[tokio::test(start_paused = true)]
async fn text_needs_a_code() {
    let mut peer = connect_with(64, options::<Coded>(|_| {}), Coded);
    peer.raw(&text("text without a code")).await;
    assert_eq!(peer.closed().await, 1011);
}
