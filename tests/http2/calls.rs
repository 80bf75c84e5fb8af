//! Calls to clients, and messages in parts.

use tests::calls::{Addresses, Caller, Double, PartEcho, call, content, double, result};

use super::*;

async fn server() -> (Server, mpsc::UnboundedReceiver<Addr<Caller>>) {
    let (sender, addresses): (Addresses, _) = mpsc::unbounded_channel();
    (serve(Router::new().mount::<Caller>().mount::<PartEcho>().with_state(sender)).await, addresses)
}

#[tokio::test]
async fn clients_are_called() {
    let (server, mut addresses) = server().await;
    let client = server.http2().await;
    let (mut one, mut other) = (client.open("/calls").await, client.open("/calls").await);
    let addr = addresses.recv().await.unwrap();
    one.text(&call(7, "quadruple", 3)).await;
    other.text(&call(8, "quadruple_later", 4)).await;
    assert_eq!(one.next_text().await, double(1, 3));
    assert_eq!(other.next_text().await, double(1, 4));
    let outside = tokio::spawn(addr.call(Double { n: 10 }));
    assert_eq!(one.next_text().await, double(2, 10));
    one.text(&result(2, 20)).await;
    assert_eq!(outside.await.unwrap().unwrap(), 20);
    one.text(&result(1, 6)).await;
    assert_eq!(one.next_text().await, result(7, 12));
    // The client resets the stream, which fails its call only.
    let outside = tokio::spawn(addr.call(Double { n: 11 }));
    assert_eq!(one.next_text().await, double(3, 11));
    one.send.send_reset(Reason::CANCEL);
    assert!(matches!(outside.await.unwrap(), Err(ClientCallError::ConnectionEnded)));
    other.text(&result(1, 8)).await;
    assert_eq!(other.next_text().await, result(8, 16));
}

/// The message is 48 times the window of its stream, in both directions.
#[tokio::test]
async fn parts_pass_flow_control() {
    let (server, _addresses) = server().await;
    let client = server.http2().await;
    let mut socket = client.open("/parts").await;
    for len in [0, 1, 3 << 20] {
        let message = content(len);
        socket.raw(frame(0x82, &message).into()).await;
        let mut echo = Vec::new();
        let mut head = 0x02;
        loop {
            let (first, payload) = socket.frame().await.expect("a fragment");
            assert!(payload.len() <= 10_000, "{}", payload.len());
            echo.extend_from_slice(&payload);
            assert_eq!(first & 0x7f, head);
            if first & 0x80 != 0 {
                break;
            }
            head = 0;
        }
        assert!(echo == message, "{len} bytes");
    }
}
