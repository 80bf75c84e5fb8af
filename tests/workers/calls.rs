//! Calls to clients, and messages in parts, over TCP: on the runtime and on workers.

use std::time::Duration;

use tests::calls::{Caller, Double, PartEcho, call, content, double, result};
use tests::tungstenite::Message;
use tests::{Client, Server, TIMEOUT, serve};
use tokio::sync::mpsc;
use tokio::time::timeout;
use ws_core::prelude::*;

struct Setup {
    server: Server,
    addresses: mpsc::UnboundedReceiver<Addr<Caller>>,
}

/// Starts a server whose shutdown may last longer than a test. No worker means the runtime.
async fn setup(workers: usize) -> Setup {
    let (sender, addresses) = mpsc::unbounded_channel();
    let router = Router::new().mount::<Caller>().mount::<PartEcho>().workers(workers);
    let router = router.shutdown_timeout(Duration::from_secs(600)).with_state(sender);
    Setup { server: serve(router).await, addresses }
}

impl Setup {
    async fn connect(&mut self) -> (Client, Addr<Caller>) {
        let client = self.server.connect("/calls").await;
        (client, timeout(TIMEOUT, self.addresses.recv()).await.expect("a connection").unwrap())
    }
}

#[tokio::test]
async fn clients_are_called_from_methods_and_from_outside() {
    for workers in [0, 2] {
        let mut setup = setup(workers).await;
        let (mut one, addr) = setup.connect().await;
        let (mut other, _) = setup.connect().await;
        one.send(call(7, "quadruple", 3)).await;
        assert_eq!(one.text().await, double(1, 3));
        // A call from a thread that is not the connection's, while the method is pending.
        let outside = tokio::spawn(addr.call(Double { n: 10 }));
        assert_eq!(one.text().await, double(2, 10));
        one.send(result(2, 20)).await;
        assert_eq!(outside.await.unwrap().unwrap(), 20);
        // Another connection of the same thread is not held up.
        other.send(call(8, "quadruple_later", 4)).await;
        assert_eq!(other.text().await, double(1, 4));
        other.send(result(1, 8)).await;
        assert_eq!(other.text().await, result(8, 16));
        one.send(result(1, 6)).await;
        assert_eq!(one.text().await, result(7, 12));
    }
}

/// A shutdown waits for no answer: nothing more is read, so that all calls fail at once. Neither the 30 s of the
/// calls nor the 600 s of the shutdown pass.
#[tokio::test]
async fn pending_calls_fail_at_a_shutdown() {
    const FAILED: &str =
        r#""error":{"code":-32603,"message":"the connection ended before the client answered"}"#;
    for workers in [0, 1] {
        let mut setup = setup(workers).await;
        let (mut client, addr) = setup.connect().await;
        client.send(call(7, "quadruple_later", 1)).await;
        assert_eq!(client.text().await, double(1, 1));
        client.send(call(8, "quadruple", 2)).await;
        assert_eq!(client.text().await, double(2, 2));
        let outside = tokio::spawn(addr.call(Double { n: 3 }));
        assert_eq!(client.text().await, double(3, 3));
        setup.server.stop();
        let error = timeout(TIMEOUT, outside).await.expect("the call fails").unwrap();
        assert!(matches!(error, Err(ClientCallError::ConnectionEnded)), "{error:?}");
        let mut answers = [client.text().await, client.text().await];
        answers.sort();
        for (answer, id) in answers.iter().zip([7, 8]) {
            assert_eq!(answer, &format!(r#"{{"jsonrpc":"2.0",{FAILED},"id":{id}}}"#));
        }
        assert_eq!(client.close_code().await, 1001);
        let late = addr.call(Double { n: 4 }).await;
        assert!(matches!(late, Err(ClientCallError::Closed)), "{late:?}");
        setup.server.join().await;
    }
}

#[tokio::test]
async fn messages_pass_in_parts() {
    for workers in [0, 1] {
        let setup = setup(workers).await;
        let mut client = setup.server.connect("/parts").await;
        for len in [0, 1, 65_536, 3 << 20] {
            let message = content(len);
            client.send(message.clone()).await;
            let Message::Binary(echo) = client.next().await else { panic!("not an echo") };
            assert!(echo == message, "{len} bytes");
        }
    }
}
