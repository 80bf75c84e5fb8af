//! Limits of frame sizes and of empty fragments.

use super::peer::{Log, connect, connect_with, frame, options};
use crate::prelude::*;

#[websocket(max_frame_size = 100B, max_message_size = 1KiB)]
struct Framed(Log);

#[websocket]
impl Framed {
    #[on_text]
    fn len(&mut self, text: &str) -> String {
        text.len().to_string()
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn largest_frame_is_accepted_and_one_byte_more_closes_with_1009() {
    for first in [0x81, 0x01] {
        let mut peer = connect(Framed);
        peer.send(&"x".repeat(100)).await;
        assert_eq!(peer.text().await, "100");
        // The header alone is rejected.
        peer.raw(&frame(first, &[b'x'; 101])[..2]).await;
        assert_eq!(peer.closed().await, 1009);
        assert_eq!(peer.event().await, "Protocol(MessageTooBig)");
    }
}

#[tokio::test(start_paused = true)]
async fn frame_limit_does_not_limit_the_message() {
    let mut peer = connect(Framed);
    peer.raw(&frame(0x01, &[b'x'; 100])).await;
    for _ in 0..8 {
        peer.raw(&frame(0x00, &[b'x'; 100])).await;
    }
    // Control frames have their own limit.
    peer.raw(&frame(0x89, &[b'x'; 125])).await;
    assert_eq!(peer.frame().await.unwrap().payload.len(), 125);
    peer.raw(&frame(0x80, &[b'x'; 100])).await;
    assert_eq!(peer.text().await, "1000");
    peer.raw(&frame(0x01, &[b'x'; 100])).await;
    peer.raw(&frame(0x00, &[b'x'; 101])[..2]).await;
    assert_eq!(peer.closed().await, 1009);
}

#[tokio::test(start_paused = true)]
async fn empty_fragments_are_limited() {
    let mut peer = connect(Framed);
    for _ in 0..2 {
        peer.raw(&frame(0x01, b"")).await;
        for _ in 0..1022 {
            peer.raw(&frame(0x00, b"")).await;
        }
        peer.raw(&frame(0x80, b"")).await;
        assert_eq!(peer.text().await, "0");
    }
    peer.raw(&frame(0x01, b"x")).await;
    for _ in 0..1024 {
        peer.raw(&frame(0x00, b"")).await;
    }
    peer.raw(&frame(0x80, b"")).await;
    assert_eq!(peer.closed().await, 1008);
    assert_eq!(peer.event().await, "Protocol(LimitExceeded)");
}

#[tokio::test(start_paused = true)]
async fn frame_without_a_limit_may_be_as_large_as_a_message() {
    let mut peer = connect_with(64, options::<Framed>(|options| options.max_frame_size = None), Framed);
    peer.raw(&[0x81, 0xfe, 0x04, 0x00, 0, 0, 0, 0]).await;
    peer.raw(&[b'x'; 1024]).await;
    assert_eq!(peer.text().await, "1024");
}
