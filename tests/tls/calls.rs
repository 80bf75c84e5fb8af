//! Calls to clients, and messages in parts.

use tests::calls::{Addresses, Caller, Double, PartEcho, call, content, double, result};

use super::*;

async fn server() -> (Setup, mpsc::UnboundedReceiver<Addr<Caller>>) {
    let (sender, addresses): (Addresses, _) = mpsc::unbounded_channel();
    let inner = Router::new().mount::<Caller>().mount::<PartEcho>().with_state(sender);
    (setup_with(move |router| router.fallback(inner)).await, addresses)
}

async fn socket(setup: &Setup, path: &str) -> Socket {
    let stream = setup.connect(&["http/1.1"]).await;
    tokio_tungstenite::client_async(format!("wss://localhost{path}"), stream).await.unwrap().0
}

#[tokio::test]
async fn clients_are_called() {
    let (setup, mut addresses) = server().await;
    let mut client = socket(&setup, "/calls").await;
    let addr = addresses.recv().await.unwrap();
    client.send(call(7, "quadruple", 3).into()).await.unwrap();
    assert_eq!(receive(&mut client).await, Message::text(double(1, 3)));
    let outside = tokio::spawn(addr.call(Double { n: 10 }));
    assert_eq!(receive(&mut client).await, Message::text(double(2, 10)));
    client.send(result(2, 20).into()).await.unwrap();
    assert_eq!(outside.await.unwrap().unwrap(), 20);
    client.send(result(1, 6).into()).await.unwrap();
    assert_eq!(receive(&mut client).await, Message::text(result(7, 12)));
    // The client disconnects without a close frame.
    let outside = tokio::spawn(addr.call(Double { n: 11 }));
    assert_eq!(receive(&mut client).await, Message::text(double(3, 11)));
    drop(client);
    assert!(matches!(outside.await.unwrap(), Err(ClientCallError::ConnectionEnded)));
}

/// Over both protocols. A record of TLS has at most 16 KiB.
#[tokio::test]
async fn messages_pass_in_parts() {
    let (setup, _addresses) = server().await;
    let mut client = socket(&setup, "/parts").await;
    let http2 = Connection::new(setup.connect(&["h2"]).await).await;
    let mut stream = http2.open("/parts").await;
    for len in [0, 1, 3 << 20] {
        let message = content(len);
        client.send(message.clone().into()).await.unwrap();
        let Message::Binary(echo) = receive(&mut client).await else { panic!("not an echo") };
        assert!(echo == message, "{len} bytes");
        stream.raw(tests::frame(0x82, &message).into()).await;
        let mut echo = Vec::new();
        loop {
            let (first, payload) = stream.frame().await.expect("a fragment");
            echo.extend_from_slice(&payload);
            if first & 0x80 != 0 {
                break;
            }
        }
        assert!(echo == message, "{len} bytes over HTTP/2");
    }
}
