//! A network that loses connections at random: each message arrives once and in order.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::time::{Instant, sleep, timeout};

use super::client::{Peer, begin};
use super::{Log, S};
use crate::handler::Handler;
use crate::prelude::*;

const MS: Duration = Duration::from_millis(1);

/// Messages in each direction.
const MESSAGES: u64 = 300;

/// Pseudo-random numbers (xorshift, Marsaglia 2003).
#[derive(Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[websocket(session(buffer = 4KiB), ping_interval = 3s, pong_timeout = 2s)]
struct Numbered {
    log: Log,
    next: u64,
    sent: u64,
}

#[websocket]
impl Numbered {
    #[on_text]
    async fn text(&mut self, text: String) {
        if text.len().is_multiple_of(7) {
            sleep(3 * MS).await;
        }
        assert_eq!(text.trim_end_matches('x'), self.next.to_string());
        self.next += 1;
        self.log.send(text).unwrap();
    }

    #[every(20ms)]
    fn tick(&mut self) -> Option<String> {
        if self.sent == MESSAGES {
            return None;
        }
        self.sent += 1;
        // Some are marked like control objects.
        let mark = if self.sent.is_multiple_of(5) { "\0" } else { "" };
        Some(format!("{mark}{}{}", self.sent - 1, "x".repeat(self.sent as usize % 400)))
    }
}

/// Passes bytes on in random pieces and with random delays, until one direction ends or a random number of bytes
/// has passed.
async fn pass(from: DuplexStream, to: DuplexStream, mut random: Random) {
    let ((mut from_read, mut from_write), (mut to_read, mut to_write)) = (split(from), split(to));
    let mut copies = [random.clone(), Random(random.0.rotate_left(17))];
    let [up, down] = &mut copies;
    let life = 20 + random.below(600);
    tokio::select! {
        () = copy(&mut from_read, &mut to_write, up) => {}
        () = copy(&mut to_read, &mut from_write, down) => {}
        () = sleep(life as u32 * MS) => {}
    }
}

async fn copy(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    random: &mut Random,
) {
    let mut left = random.below(6000);
    while left > 0 {
        let mut piece = vec![0; 1 + random.below(200.min(left)) as usize];
        let Ok(len @ 1..) = from.read(&mut piece).await else { return };
        left = left.saturating_sub(len as u64);
        if random.below(4) == 0 {
            sleep(random.below(30) as u32 * MS).await;
        }
        // Only half of the last piece arrives.
        let len = if left == 0 { len / 2 } else { len };
        if to.write_all(&piece[..len]).await.is_err() {
            return;
        }
    }
}

/// Puts a network between the client's stream and that of the session.
fn route(peer: &mut Peer, random: &mut Random) {
    let (client, near) = duplex(512);
    if let Some(far) = peer.io.replace(client) {
        random.below(2);
        tokio::spawn(pass(near, far, random.clone()));
    }
}

async fn run(seed: u64) -> u32 {
    let mut random = Random(seed);
    let options = Numbered::CHECKED_DECLARATION.options;
    let mut peer = begin(512, options, |log| Numbered { log, next: 0, sent: 0 }).await;
    route(&mut peer, &mut random);
    let (mut next, mut sent, mut resumes) = (0, 0, 0);
    let start = Instant::now();
    while next < MESSAGES || sent < MESSAGES || peer.link.received() < MESSAGES {
        assert!(start.elapsed() < 600 * S, "seed {seed}: stands still at {next}, {sent}");
        if sent < MESSAGES && random.below(2) == 0 {
            let text = format!("{sent}{}", "x".repeat(random.below(300) as usize));
            sent += 1;
            // A write may wait for a connection that is lost.
            if timeout(500 * MS, peer.send(&text)).await.is_err() {
                peer.cut();
            }
        }
        match timeout((5 + random.below(30) as u32) * MS, peer.read_any()).await {
            Ok(Some(Some(text))) => {
                assert_eq!(
                    text.trim_start_matches('\0').trim_end_matches('x'),
                    next.to_string(),
                    "seed {seed}"
                );
                next += 1;
                if next.is_multiple_of(9) && timeout(500 * MS, peer.acknowledge()).await.is_err() {
                    peer.cut();
                }
            }
            Ok(Some(None)) => {}
            Ok(None) => {
                resumes += 1;
                sleep(random.below(200) as u32 * MS).await;
                assert!(peer.reattach(), "seed {seed}: the session was lost");
                route(&mut peer, &mut random);
                let resent = timeout(S, peer.greet()).await;
                if !matches!(resent, Ok(true)) {
                    peer.cut();
                }
            }
            // Sometimes the client itself gives up.
            Err(_) if random.below(40) == 0 => peer.cut(),
            Err(_) => {}
        }
    }
    let mut handled = Vec::new();
    sleep(S).await;
    while let Ok(text) = peer.log.try_recv() {
        handled.push(text.trim_end_matches('x').to_owned());
    }
    assert_eq!(handled, (0..MESSAGES).map(|number| number.to_string()).collect::<Vec<_>>(), "seed {seed}");
    resumes
}

#[tokio::test(start_paused = true)]
async fn messages_survive_a_hostile_network() {
    let seeds = std::env::var("SESSION_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(8_u64);
    for seed in 1..=seeds {
        let resumes = run(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)).await;
        println!("seed {seed}: {resumes} connections were lost");
        assert!(resumes > 0);
    }
}
