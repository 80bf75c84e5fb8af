//! `drive` over TCP, after tokio-tungstenite's own handshakes.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tests::{TIMEOUT, serve, tungstenite};
use tokio::net::TcpListener;
use tokio_tungstenite::{accept_async, connect_async};
use tungstenite::Message;
use ws_core::prelude::*;

/// Handler that counts to a hundred in turns with the peer.
#[websocket(path = "/count", idle_timeout = 5s)]
#[derive(Default)]
struct Counter {
    begins: bool,
}

#[websocket]
impl Counter {
    #[on_open]
    fn open(&mut self) -> Option<&'static str> {
        self.begins.then_some("1")
    }

    #[on_text]
    async fn next(&mut self, number: String, cx: &mut Context<Self>) -> Option<String> {
        let number: u32 = number.parse().unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        if number == 100 {
            cx.close(Close::new(4100, "a hundred"));
        }
        (number < 100).then(|| (number + 1).to_string())
    }
}

#[tokio::test]
async fn drives_handlers_on_both_ends() {
    let server = serve(Router::new().mount::<Counter>()).await;
    let (stream, _) = connect_async(format!("ws://{}/count", server.addr)).await.unwrap();
    let driven = tokio::spawn(ws_core::drive(Counter { begins: true }, stream));
    let reason = tokio::time::timeout(TIMEOUT, driven).await.expect("it ends").unwrap();
    // The server sends the even numbers and receives the last odd one, after which the client closes.
    assert_eq!(reason, CloseReason::Stop(Close::new(4100, "a hundred")));
}

#[tokio::test]
async fn drives_a_stream_accepted_by_the_user() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let accepting = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        ws_core::drive(Counter::default(), accept_async(tcp).await.unwrap()).await
    });
    let (mut client, _) = connect_async(format!("ws://{addr}/")).await.unwrap();
    client.send(Message::text("98")).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("99"));
    client.close(None).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::Close(None));
    assert!(client.next().await.is_none(), "TCP ends");
    assert_eq!(accepting.await.unwrap(), CloseReason::Remote(None));
}
