//! Times of connections over HTTP/2.

use h2::client::{SendRequest, handshake};
use hyper::Request;

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
