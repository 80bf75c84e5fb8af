//! The fast path of a steady session behaves like the general path: the same script gives the same transcript.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::client::{Peer, Read, begin};
use super::network::Random;
use super::{Log, S};
use crate::driver::tests::peer::frame;
use crate::handler::Handler;
use crate::prelude::*;
use crate::transport::session::{IS_STEADY_DISABLED, TAKEN};

const MS: Duration = Duration::from_millis(1);

#[websocket(session(buffer = 1KiB), ping_interval = 3s, pong_timeout = 2s, max_message_size = 1KiB)]
struct Echo(Log);

#[websocket]
impl Echo {
    #[on_text]
    fn text(&mut self, text: &str) -> Vec<String> {
        self.0.send(text.into()).unwrap();
        let len: usize = text.parse().unwrap();
        let mark = if len.is_multiple_of(7) { "\0" } else { "" };
        vec![format!("{mark}{}", "x".repeat(len)); 1 + len % 4 / 3]
    }

    #[on_detach]
    fn detach(&mut self) -> &'static str {
        self.0.send("detach".into()).unwrap();
        "detach"
    }

    #[on_attach]
    fn attach(&mut self) -> &'static str {
        self.0.send("attach".into()).unwrap();
        "attach"
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

/// Frames of a session and events of its handler, with the milliseconds at which they were read.
type Transcript = Vec<(u128, String)>;

async fn collect(peer: &mut Peer, start: Instant, time: Duration, transcript: &mut Transcript) {
    let end = Instant::now() + time;
    while let Ok(read) = timeout_at(end, peer.read()).await {
        let is_end = read == Read::End;
        let read = match read {
            // The token differs.
            Read::Object(object) if object.get("session").is_some() => "session".into(),
            read => format!("{read:?}"),
        };
        transcript.push((start.elapsed().as_millis(), read));
        if is_end {
            return;
        }
    }
}

async fn run_script(seed: u64) -> Transcript {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let size = 64 + random.below(2000) as usize;
    let mut peer = begin(size, Echo::CHECKED_DECLARATION.options, Echo).await;
    let (start, mut transcript) = (Instant::now(), Transcript::new());
    for _ in 0..80 {
        let text = random.below(180).to_string();
        let bytes = match random.below(12) {
            0 => frame(0x81, b"\0{\"later\":1}"),
            1 => frame(0x81, b"\0{\"ping\":1}"),
            2 | 3 => frame(0x81, format!("\0{{\"ack\":{}}}", peer.received).as_bytes()),
            4 => {
                peer.queue(&text);
                [frame(0x01, &text.as_bytes()[..1]), frame(0x80, &text.as_bytes()[1..])].concat()
            }
            5 => {
                (0..20).for_each(|_| peer.queue("1"));
                frame(0x81, b"1").repeat(20)
            }
            _ => {
                peer.queue(&text);
                frame(0x81, text.as_bytes())
            }
        };
        let cut = if random.below(3) == 0 { random.below(bytes.len() as u64) as usize } else { 0 };
        let mut is_lost = peer.io.is_none() || random.below(20) == 0;
        for part in [&bytes[..cut], &bytes[cut..]] {
            // A server that waits for an acknowledgement does not take everything.
            is_lost |= timeout(MS, peer.raw(part)).await.is_err();
            tokio::task::yield_now().await;
        }
        if is_lost {
            peer.cut();
            sleep(random.below(9) as u32 * MS).await;
            assert!(peer.reattach(), "seed {seed}: the session was lost");
            if !matches!(timeout(S, peer.greet()).await, Ok(true)) {
                peer.cut();
                continue;
            }
        }
        collect(&mut peer, start, random.below(20) as u32 * MS, &mut transcript).await;
    }
    peer.cut();
    sleep(40 * S).await;
    while let Ok(event) = peer.log.try_recv() {
        transcript.push((start.elapsed().as_millis(), event));
    }
    transcript
}

#[tokio::test(start_paused = true)]
async fn steady_sessions_behave_like_others() {
    let mut sum = [0; 3];
    for seed in 1..=100 {
        TAKEN.set([0; 3]);
        let fast = run_script(seed).await;
        for (sum, taken) in sum.iter_mut().zip(TAKEN.replace([0; 3])) {
            *sum += taken;
        }
        IS_STEADY_DISABLED.set(true);
        let general = run_script(seed).await;
        IS_STEADY_DISABLED.set(false);
        assert_eq!(TAKEN.get(), [0; 3], "seed {seed}");
        assert_eq!(fast, general, "seed {seed}");
    }
    // Reads, writes and flushes.
    println!("{sum:?}");
    assert!(sum.iter().all(|taken| *taken > 100), "{sum:?}");
}

/// A handler that sends only while no connection carries its session.
#[websocket(session, idle_timeout = none, ping_interval = none)]
struct Silent;

#[websocket]
impl Silent {
    #[on_detach]
    fn detach(&mut self) -> &'static str {
        "detach"
    }
}

/// The numbers of what a new connection is sent are known before the client sends anything.
#[tokio::test(start_paused = true)]
async fn client_that_only_reads_resumes_again() {
    let mut peer = begin(1 << 10, Silent::CHECKED_DECLARATION.options, |_| Silent).await;
    for _ in 0..3 {
        peer.cut();
        sleep(S).await;
        assert!(peer.resume().await);
        assert_eq!(peer.text().await, "detach");
    }
}
