//! Times and writes of connections over HTTP/2.

use std::sync::atomic::AtomicUsize;

use h2::client::{SendRequest, handshake};
use hyper::Request;
use tokio::runtime::Builder;

use super::*;

async fn get(requests: &SendRequest<Bytes>) -> Result<u16, h2::Error> {
    let mut requests = requests.clone().ready().await?;
    let request = Request::get("http://x/").body(()).unwrap();
    Ok(requests.send_request(request, true)?.0.await?.status().as_u16())
}

#[tokio::test(start_paused = true)]
async fn stream_whose_client_does_not_read_is_reset() {
    let (client, io) = tokio::io::duplex(4096);
    tokio::spawn(peer().http2(io, false));
    let (requests, connection) = handshake(client).await.unwrap();
    tokio::spawn(connection);
    let start = Instant::now();
    let mut requests = requests.ready().await.unwrap();
    let request = Request::get("http://x/large").body(()).unwrap();
    let mut body = requests.send_request(request, true).unwrap().0.await.unwrap().into_body();
    // The client reads what its window allows, and gives no more.
    let error = loop {
        if let Err(error) = body.data().await.unwrap() {
            break error;
        }
    };
    assert_eq!((error.reason(), start.elapsed()), (Some(h2::Reason::CANCEL), RESPONSE_TIMEOUT));
    // The connection remains.
    assert_eq!(get(&requests).await.unwrap(), 200);
}

#[tokio::test(start_paused = true)]
async fn preface_that_arrived_before_the_deadline_is_accepted() {
    let (client, io) = Late::new(before(TIMEOUT), NEVER);
    tokio::spawn(peer().http2(io, false));
    sleep(9500 * MS).await;
    let (requests, connection) = handshake(client).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(get(&requests).await.unwrap(), 200);
}

#[tokio::test(start_paused = true)]
async fn request_that_arrived_before_the_goaway_is_served() {
    let start = Instant::now();
    let (client, io) = Late::new(before(2 * TIMEOUT), NEVER);
    tokio::spawn(peer().http2(io, false));
    let (requests, connection) = handshake(client).await.unwrap();
    let ended = tokio::spawn(connection);
    assert_eq!(get(&requests).await.unwrap(), 200);
    // The connection is unused from the first deadline on.
    sleep(19_500 * MS).await;
    assert_eq!(get(&requests).await.unwrap(), 200);
    assert_eq!(start.elapsed(), 2 * TIMEOUT);
    // The next deadline finds the request, and the one after it an unused connection.
    ended.await.unwrap().unwrap();
    assert_eq!(start.elapsed(), 3 * TIMEOUT);
}

/// A stream that counts its writes.
struct CountedWrites(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for CountedWrites {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(task, into)
    }
}

impl AsyncWrite for CountedWrites {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(task)
    }
}

/// Returns the number of writes for the responses to requests whose bodies arrive together.
async fn writes_for(requests: usize) -> usize {
    let (client, io) = tokio::io::duplex(64 << 10);
    let writes = Arc::<AtomicUsize>::default();
    tokio::spawn(peer().http2(CountedWrites(io, Arc::clone(&writes)), false));
    let (sender, connection) = handshake(client).await.unwrap();
    let exchange = async {
        let request = || Request::post("http://x/echo").body(()).unwrap();
        let mut streams: Vec<_> =
            (0..requests).map(|_| sender.clone().send_request(request(), false).unwrap()).collect();
        // The tasks of the streams wait for the bodies.
        sleep(100 * MS).await;
        let before = writes.load(Ordering::Relaxed);
        for (_, body) in &mut streams {
            body.send_data(Bytes::from_static(b"body"), true).unwrap();
        }
        for (response, _) in streams {
            assert_eq!(response.await.unwrap().status(), 200);
        }
        writes.load(Ordering::Relaxed) - before
    };
    tokio::select! {
        ended = connection => panic!("the connection ended: {ended:?}"),
        writes = exchange => writes,
    }
}

#[test]
fn one_write_takes_the_output_of_all_streams() {
    // Its thread runs the task that was woken last first. The client is on the thread of the test.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let writes = runtime.block_on(writes_for(16));
    assert!(writes <= 4, "{writes} writes for 16 responses");
}
