//! A proxy on a bad network.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tests::TIMEOUT;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::Random;

/// A proxy whose connections live for a random number of pieces. Only a part of the last piece arrives. Like a proxy that
/// tries again, it sends some requests on a connection of their own first, and drops the answer. A POST may also arrive a
/// second time later. A GET that arrives later would be another client, which takes the session over.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) addr: SocketAddr,
    pub(super) cuts: AtomicU64,
    pub(super) copies: AtomicU64,
    server: SocketAddr,
    is_good: AtomicBool,
}

impl Proxy {
    pub(super) async fn start(server: SocketAddr, seed: u64) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (cuts, copies, is_good) = Default::default();
        let proxy = Arc::new(Self { addr, cuts, copies, server, is_good });
        let accepting = Arc::clone(&proxy);
        tokio::spawn(async move {
            let mut random = Random::new(seed);
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&accepting).pass(client, Random::new(random.next())));
            }
        });
        proxy
    }

    /// Makes new connections live as long as their ends do.
    pub(super) fn stop_cutting(&self) {
        self.is_good.store(true, Ordering::Relaxed);
    }

    async fn pass(self: Arc<Self>, client: TcpStream, mut random: Random) {
        let Ok(server) = TcpStream::connect(self.server).await else { return };
        let ((client_read, client_write), (server_read, server_write)) =
            (client.into_split(), server.into_split());
        let is_good = self.is_good.load(Ordering::Relaxed);
        let pieces = if is_good { i64::MAX } else { (random.below(7) * random.below(7)) as i64 };
        let left = AtomicI64::new(pieces);
        let other = Random::new(random.next());
        tokio::select! {
            () = self.copy(client_read, server_write, &left, random, true) => {}
            () = self.copy(server_read, client_write, &left, other, false) => {}
        }
    }

    async fn copy(
        self: &Arc<Self>,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        left: &AtomicI64,
        mut random: Random,
        is_client: bool,
    ) {
        let mut piece = vec![0; 16 << 10];
        loop {
            let Ok(len @ 1..) = from.read(&mut piece).await else { return };
            let data = &piece[..len];
            if random.below(10) < 3 {
                sleep(Duration::from_millis(random.below(20))).await;
            }
            let is_last = left.fetch_sub(1, Ordering::Relaxed) <= 0;
            let arrives = if is_last { random.below(len as u64) as usize } else { len };
            let is_post = data.starts_with(b"POST ");
            let is_twice = is_client && (is_post || data.starts_with(b"GET ")) && random.below(10) == 0;
            let is_later = is_post && random.below(2) == 0;
            let copy = Arc::clone(self).duplicate(data.to_vec(), random.below(40));
            if is_client && is_gone(&mut from).await {
                return;
            }
            if is_twice && is_later {
                tokio::spawn(copy);
            } else if is_twice {
                copy.await;
                if is_client && is_gone(&mut from).await {
                    return;
                }
            }
            if to.write_all(&data[..arrives]).await.is_err() {
                return;
            }
            if is_last {
                self.cuts.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }

    /// Sends a request on a connection of its own, and waits until the server has closed it.
    async fn duplicate(self: Arc<Self>, request: Vec<u8>, millis: u64) {
        let Ok(mut copy) = TcpStream::connect(self.server).await else { return };
        self.copies.fetch_add(1, Ordering::Relaxed);
        if copy.write_all(&request).await.is_err() {
            return;
        }
        let mut answer = [0; 1024];
        let _ = timeout(Duration::from_millis(millis), copy.read(&mut answer)).await;
        // The server has seen the copy when it has seen its end.
        let _ = copy.shutdown().await;
        let closed = async { while let Ok(1..) = copy.read(&mut answer).await {} };
        timeout(TIMEOUT, closed).await.expect("the server closes the connection of a client that has gone");
    }
}

/// Returns whether a client has gone. It sends its request again, and the earlier one must not arrive after that.
async fn is_gone(from: &mut OwnedReadHalf) -> bool {
    matches!(timeout(Duration::ZERO, from.peek(&mut [0])).await, Ok(Ok(0) | Err(_)))
}
