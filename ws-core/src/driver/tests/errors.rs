//! Errors of methods, and `#[on_error]`.

use super::peer::{Log, connect, frame};
use crate::prelude::*;

/// Handler with an `#[on_error]`.
#[websocket]
struct Careful(Log);

#[websocket]
impl Careful {
    #[on_text]
    fn text(&mut self, number: Json<i64>, cx: &mut Context<Self>) -> Result<String, std::io::Error> {
        cx.send("half");
        match number.0 {
            0 => Err(std::io::Error::other("zero")),
            n => Ok(n.to_string()),
        }
    }

    #[on_binary]
    fn binary(&mut self, _: &[u8], cx: &mut Context<Self>) {
        cx.send(Ping(Bytes::from(vec![0; 126])));
        cx.send("sent all the same");
    }

    #[on_error]
    async fn error(&mut self, error: &HandlerError, cx: &mut Context<Self>) -> Result<String, String> {
        tokio::task::yield_now().await;
        self.0.send(format!("{:?}", error.close_code())).unwrap();
        if error.to_string().contains("trailing") {
            return Err("even that".into());
        }
        cx.send("so");
        Ok(error.to_string())
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(reason.to_string()).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn errors_go_to_on_error_and_the_connection_stays_open() {
    let mut peer = connect(Careful);
    peer.send("0").await;
    assert_eq!(peer.text().await, "half", "messages before the error are sent");
    assert_eq!(peer.text().await, "so");
    assert_eq!(peer.text().await, "zero");
    peer.send("").await;
    assert_eq!(peer.text().await, "so");
    assert!(peer.text().await.starts_with("payload does not decode: EOF"));
    peer.raw(&frame(0x82, &[])).await;
    assert_eq!(peer.text().await, "sent all the same");
    assert_eq!(peer.text().await, "so");
    assert_eq!(
        peer.text().await,
        "reply cannot be sent: 126 bytes in a control frame, which holds up to 125"
    );
    peer.send("7").await;
    assert_eq!(peer.text().await, "half");
    assert_eq!(peer.text().await, "7");
    peer.close(1000).await;
    assert_eq!(peer.closed().await, 1000);
    assert_eq!(peer.events().await, ["Error", "Invalid", "Error", "closed by the client: 1000"]);
}

#[tokio::test(start_paused = true)]
async fn error_in_on_error_closes_with_1011() {
    let mut peer = connect(Careful);
    peer.send("1 2").await;
    assert_eq!(peer.closed().await, 1011);
    assert_eq!(peer.events().await, ["Invalid", "handler failed: even that"]);
}

/// Handler that takes a payload as a `Result`, and closes on other kinds of messages.
#[websocket(unhandled = close)]
#[derive(Default)]
struct Strict;

#[websocket]
impl Strict {
    #[on_text]
    fn text(&mut self, number: Result<Json<i64>, DecodeError>) -> &'static str {
        if number.is_ok() { "number" } else { "no number" }
    }
}

#[tokio::test(start_paused = true)]
async fn payload_error_reaches_the_method_and_other_kinds_close() {
    if super::ONLY_MESSAGES {
        return; // Pings and pongs.
    }
    let mut peer = connect(|_| Strict);
    peer.raw(&[frame(0x81, b"1"), frame(0x81, b"one"), frame(0x89, b""), frame(0x8a, b"")].concat()).await;
    assert_eq!(peer.text().await, "number");
    assert_eq!(peer.text().await, "no number");
    assert_eq!(peer.frame().await.unwrap().opcode, 0xa, "control frames are never unsupported");
    peer.raw(&frame(0x82, b"1")).await;
    assert_eq!(peer.closed().await, 1003);
}

/// Handler without an `#[on_error]`.
#[websocket]
#[derive(Default)]
struct Careless;

#[websocket]
impl Careless {
    #[on_text]
    fn text(&mut self, _: Json<i64>) {}
}

#[tokio::test(start_paused = true)]
async fn undecodable_payload_closes_with_1007_and_other_kinds_are_ignored() {
    let mut peer = connect(|_| Careless);
    peer.raw(&[frame(0x82, b"ignored"), frame(0x81, b"x")].concat()).await;
    assert_eq!(peer.closed().await, 1007);
}
