//! Fairness: no source of work starves another.

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

use super::peer::{Frame, Log, connect_with, frame, options};
use crate::prelude::*;

/// Handler with a slow method, a mailbox and a timer.
#[websocket]
struct Busy {
    log: Log,
    addr: Sender<Addr<Self>>,
}

#[websocket]
impl Busy {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        self.addr.send(cx.addr()).unwrap();
    }

    #[on_text]
    async fn text(&mut self, text: String) -> String {
        sleep(Duration::from_millis(10)).await;
        text
    }

    #[on_binary]
    async fn page(&mut self, _: &[u8]) -> Vec<u8> {
        sleep(Duration::from_millis(1)).await;
        vec![0; 200_000]
    }

    #[on_info]
    fn info(&mut self, _: u8) {
        self.log.send("info".into()).unwrap();
    }

    #[every(1s)]
    fn tick(&mut self) {
        self.log.send("tick".into()).unwrap();
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.log.send(format!("{reason:?}")).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn pipelining_client_starves_neither_mailbox_nor_timers() {
    let (addr, addrs) = channel();
    let mut peer = connect_with(4096, options::<Busy>(|_| {}), |log| Busy { log, addr });
    tokio::task::yield_now().await;
    let (mut reader, mut writer) = tokio::io::split(peer.io);
    tokio::spawn(async move {
        let message = frame(0x81, &[b'x'; 1000]);
        while writer.write_all(&message).await.is_ok() {}
    });
    tokio::spawn(async move { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await });
    sleep(Duration::from_millis(100)).await;
    addrs.recv().unwrap().send(1_u8).unwrap();
    for expect in ["info", "tick", "tick"] {
        assert_eq!(timeout(Duration::from_secs(3), peer.log.recv()).await, Ok(Some(expect.into())));
    }
}

#[tokio::test(start_paused = true)]
async fn pipelining_client_that_does_not_read_times_out() {
    let (addr, _addrs) = channel();
    let mut peer = connect_with(64, options::<Busy>(|_| {}), |log| Busy { log, addr });
    let message = frame(0x81, &[b'x'; 70_000]).repeat(3);
    let _ = timeout(Duration::from_secs(5), peer.io.write_all(&message)).await;
    let mut event = "tick".to_owned();
    while event == "tick" {
        event = timeout(Duration::from_secs(300), peer.event()).await.expect("the connection ends");
    }
    assert_eq!(event, "Timeout");
}

#[tokio::test(start_paused = true)]
async fn all_replies_reach_a_client_that_has_closed_and_reads() {
    let (addr, _addrs) = channel();
    let mut peer = connect_with(65_536, options::<Busy>(|_| {}), |log| Busy { log, addr });
    let mut requests = frame(0x82, b"page").repeat(20);
    requests.extend(frame(0x88, &1000_u16.to_be_bytes()));
    peer.raw(&requests).await;
    for n in 0..20 {
        let frame = peer.frame().await.unwrap();
        assert_eq!((frame.opcode, frame.payload.len()), (2, 200_000), "page {n}");
        sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(peer.closed().await, 1000);
}

#[tokio::test(start_paused = true)]
async fn client_that_has_closed_and_does_not_read_is_disconnected() {
    let (addr, _addrs) = channel();
    let mut peer = connect_with(65_536, options::<Busy>(|_| {}), |log| Busy { log, addr });
    let mut requests = frame(0x82, b"page").repeat(20);
    requests.extend(frame(0x88, &1000_u16.to_be_bytes()));
    peer.raw(&requests).await;
    let end = async { while peer.event().await == "tick" {} };
    // A managed transport does not read the close before the replies are written, so the idle timeout applies.
    let limit = if super::MANAGED_TRANSPORT { 67 } else { 7 };
    timeout(Duration::from_secs(limit), end).await.expect("`#[on_close]` runs");
    timeout(Duration::from_secs(7), peer.task).await.expect("the connection ends").unwrap();
}

#[tokio::test(start_paused = true)]
async fn works_without_read_ahead_and_high_water_mark() {
    let (addr, _addrs) = channel();
    let options = options::<Busy>(|options| {
        options.read_ahead = 0;
        options.outbox_high_water = 0;
    });
    let mut peer = connect_with(4096, options, |log| Busy { log, addr });
    peer.send("x").await;
    assert_eq!(peer.frame().await, Some(Frame { opcode: 1, payload: b"x".to_vec() }));
}

/// Handler of a timer whose method takes longer than its period.
#[websocket]
struct SlowTick {
    log: Log,
    addr: Sender<Addr<Self>>,
}

#[websocket]
impl SlowTick {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        self.addr.send(cx.addr()).unwrap();
    }

    #[on_info]
    fn info(&mut self, _: u8) {
        self.log.send("info".into()).unwrap();
    }

    #[every(10ms)]
    async fn tick(&mut self) {
        sleep(Duration::from_millis(15)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn timer_slower_than_its_period_does_not_starve_the_mailbox() {
    let (addr, addrs) = channel();
    let mut peer = connect_with(4096, options::<SlowTick>(|_| {}), |log| SlowTick { log, addr });
    sleep(Duration::from_millis(100)).await;
    addrs.recv().unwrap().send(1_u8).unwrap();
    assert_eq!(timeout(Duration::from_secs(1), peer.event()).await.as_deref(), Ok("info"));
}

/// Handler that sets a timer without delay each time that one fires.
#[websocket]
#[derive(Default)]
struct Again;

#[websocket]
impl Again {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.send_after(Duration::ZERO, ());
    }

    #[on_info]
    async fn again(&mut self, (): (), cx: &mut Context<Self>) {
        cx.send_after(Duration::ZERO, ());
    }

    #[on_text]
    fn echo<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }
}

#[tokio::test]
async fn timers_without_delay_block_neither_the_thread_nor_the_socket() {
    let mut peer = connect_with(4096, options::<Again>(|_| {}), |_| Again);
    peer.send("still here").await;
    assert_eq!(timeout(Duration::from_secs(20), peer.text()).await.as_deref(), Ok("still here"));
}
