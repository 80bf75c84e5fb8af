//! Async methods that are ready on their first poll, and pending ones between them.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::peer::{Log, connect, connect_with, frame, options};
use crate::prelude::*;

/// Handler that follows its client's commands.
#[websocket]
struct Commanded(Log);

#[websocket]
impl Commanded {
    #[on_text]
    async fn text(&mut self, text: String, cx: &mut Context<Self>) -> Result<String, String> {
        match text.as_str() {
            "wait" => sleep(Duration::from_secs(1)).await,
            "panic" => panic!("as requested"),
            "fail" => return Err("as requested".into()),
            "close" => cx.close(4000),
            "never" => std::future::pending().await,
            _ => {}
        }
        Ok(text)
    }

    #[on_binary]
    async fn binary(&mut self, number: Json<u8>) -> String {
        number.0.to_string()
    }

    #[on_error]
    fn error(&mut self, error: &HandlerError) -> String {
        error.to_string()
    }

    #[on_close]
    async fn close(&mut self, reason: &CloseReason) {
        self.0.send(reason.to_string()).unwrap();
    }
}

fn texts(texts: &[&str]) -> Vec<u8> {
    texts.iter().flat_map(|text| frame(0x81, text.as_bytes())).collect()
}

#[tokio::test(start_paused = true)]
async fn hundred_messages_of_one_read_are_answered_in_one_write() {
    if super::HAS_SESSION {
        return; // The bytes of one write.
    }
    let mut peer = connect_with(65_536, options::<Commanded>(|_| {}), Commanded);
    let names: Vec<String> = (0..100).map(|n| format!("message {n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    peer.raw(&texts(&names)).await;
    let mut answers = vec![0; 8192];
    let len = tokio::io::AsyncReadExt::read(&mut peer.io, &mut answers).await.unwrap();
    let expected: Vec<u8> =
        names.iter().flat_map(|name| [&[0x81, name.len() as u8], name.as_bytes()].concat()).collect();
    assert!(answers[..len] == expected, "{len} bytes instead of {}", expected.len());
}

#[tokio::test(start_paused = true)]
async fn messages_after_a_pending_method_are_handled_after_it() {
    let mut peer = connect(Commanded);
    // The last message is cut within its header.
    let bytes = texts(&["a", "b", "wait", "c", "wait", "d", "wait", "e"]);
    let (most, rest) = bytes.split_at(bytes.len() - 6);
    peer.raw(most).await;
    assert_eq!((peer.text().await, peer.text().await), ("a".into(), "b".into()));
    let early = timeout(Duration::from_millis(900), peer.text()).await;
    assert!(early.is_err(), "{early:?} arrived too early");
    for text in ["wait", "c", "wait", "d", "wait"] {
        assert_eq!(peer.text().await, text);
    }
    peer.raw(rest).await;
    assert_eq!(peer.text().await, "e");
}

#[tokio::test(start_paused = true)]
async fn ping_after_a_pending_method_is_answered_meanwhile() {
    if super::ONLY_MESSAGES {
        return; // A ping.
    }
    let mut peer = connect(Commanded);
    peer.raw(&[texts(&["never", "x"]), frame(0x89, b"p")].concat()).await;
    let pong = timeout(Duration::from_secs(1), peer.frame()).await;
    assert_eq!(pong.unwrap().unwrap().opcode, 10);
}

#[tokio::test(start_paused = true)]
async fn panic_in_the_first_poll_closes_and_on_close_runs() {
    let mut peer = connect(Commanded);
    // The input after the panic contains the client's close frame, which must not be lost.
    let close = frame(0x88, &1000_u16.to_be_bytes());
    peer.raw(&[texts(&["before", "panic", "after"]), close].concat()).await;
    assert_eq!(peer.text().await, "before");
    assert_eq!(peer.closed().await, 1011);
    assert_eq!(peer.events().await, ["handler panicked: as requested"]);
}

#[tokio::test(start_paused = true)]
async fn error_in_the_first_poll_goes_to_on_error() {
    let mut peer = connect(Commanded);
    peer.raw(&[texts(&["fail"]), frame(0x82, b"x"), frame(0x82, b"7"), texts(&["after"])].concat()).await;
    assert!(peer.text().await.contains("as requested"));
    assert!(peer.text().await.contains("does not decode"));
    assert_eq!((peer.text().await, peer.text().await), ("7".into(), "after".into()));
}

#[tokio::test(start_paused = true)]
async fn messages_after_a_close_are_not_handled() {
    let mut peer = connect(Commanded);
    peer.raw(&texts(&["a", "close", "b"])).await;
    assert_eq!(peer.text().await, "a");
    assert_eq!(peer.closed().await, 4000);
    assert_eq!(peer.events().await, ["closed by the handler: 4000"]);
}

#[tokio::test(start_paused = true)]
async fn method_that_never_ends_is_cancelled_and_the_close_handled() {
    let mut peer = connect(Commanded);
    let close = frame(0x88, &1000_u16.to_be_bytes());
    peer.raw(&[texts(&["never", "after"]), close].concat()).await;
    assert_eq!(peer.closed().await, 1000);
    assert_eq!(peer.events().await, ["closed by the client: 1000"]);
}

/// Handler with an async `#[on_error]`, which waits on request.
#[websocket]
struct Sorry(Log);

#[websocket]
impl Sorry {
    #[on_text]
    async fn text(&mut self, text: String) -> Result<String, String> {
        if text.starts_with("fail") { Err(text) } else { Ok(text) }
    }

    #[on_error]
    async fn error(&mut self, error: &HandlerError) -> Result<String, String> {
        let error = error.to_string();
        if error.contains("slowly") {
            sleep(Duration::from_secs(1)).await;
        }
        if error.contains("for good") { Err("so be it".into()) } else { Ok("sorry".into()) }
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(reason.to_string()).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn error_in_the_first_poll_goes_to_an_async_on_error() {
    for how in ["", " slowly"] {
        let mut peer = connect(Sorry);
        let fail = format!("fail{how}");
        // The errors are separate, so the second is not an error of `#[on_error]`.
        peer.raw(&texts(&["a", &fail, "b", &fail, "c"])).await;
        for text in ["a", "sorry", "b", "sorry", "c"] {
            assert_eq!(peer.text().await, text, "{how}");
        }
        peer.raw(&texts(&[&format!("fail for good{how}"), "d"])).await;
        assert_eq!(peer.closed().await, 1011);
        assert_eq!(peer.events().await, ["handler failed: so be it"]);
    }
}
