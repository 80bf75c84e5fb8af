//! Failures of named methods, and answers of the client, alone and in batches.

use super::batches::{batch, call, message, result};
use super::*;

#[derive(Call, serde::Serialize)]
#[call(returns = u32)]
struct Version {}

#[websocket(envelope = JsonRpc, idle_timeout = none, ping_interval = none)]
struct Failing(Log);

#[websocket]
impl Failing {
    #[on_message]
    fn fail(&mut self, text: String) -> Result<(), String> {
        Err(text)
    }

    #[on_call]
    async fn wait(&mut self, seconds: u64) -> u64 {
        sleep(Duration::from_secs(seconds)).await;
        seconds
    }

    /// Sends a ping that is too long, and answers.
    #[on_call]
    fn oversized(&mut self, cx: &mut Context<Self>) -> u32 {
        cx.send(Ping(vec![0; 126].into()));
        1
    }

    /// Calls the client, with `true` after a close.
    #[on_message]
    fn ask(&mut self, closes: bool, cx: &mut Context<Self>) {
        if closes {
            cx.close(4000);
        }
        let (log, version) = (self.0.clone(), cx.call(Version {}));
        tokio::spawn(async move { log.send(format!("{:?}", version.await)) });
    }

    #[on_error]
    fn error(&mut self, error: &HandlerError) {
        self.0.send(error.to_string()).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_of_a_batch_is_reported() {
    let fail = |text: &str| message("fail", &format!("[{text:?}]"));
    for (entries, answers) in [
        (vec![fail("first"), fail("second")], 0),
        (vec![fail("first"), call(1, "wait", "[1]"), fail("second")], 1),
        (vec![call(1, "wait", "[1]"), fail("first"), fail("second")], 1),
    ] {
        let mut peer = connect(Failing);
        peer.send(&batch(&entries)).await;
        peer.send(&fail("last")).await;
        for _ in 0..answers {
            assert_eq!(peer.text().await, batch(&[result(1, "1")]));
        }
        assert!(peer.event().await.contains("first"), "{entries:?}");
        assert!(peer.event().await.contains("last"), "{entries:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_send_that_fails_is_an_error_beside_the_answer() {
    let mut peer = connect(Failing);
    peer.send(&call(1, "oversized", "[]")).await;
    assert_eq!(peer.text().await, result(1, "1"));
    assert!(peer.event().await.contains("126 bytes"));
}

/// An answer that was read together with the start of a method does not wait for the method.
#[tokio::test(start_paused = true)]
async fn an_answer_behind_an_async_entry_does_not_wait() {
    let mut peer = connect(Failing);
    peer.send(&message("ask", "[false]")).await;
    assert_eq!(peer.text().await, r#"{"jsonrpc":"2.0","id":1,"method":"version","params":{}}"#);
    let start = tokio::time::Instant::now();
    peer.send(&batch(&[call(2, "wait", "[5]"), result(1, "7")])).await;
    assert_eq!(peer.event().await, "Ok(7)");
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(peer.text().await, batch(&[result(2, "5")]));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_closes_takes_no_call() {
    let mut peer = connect(Failing);
    peer.send(&message("ask", "[true]")).await;
    assert_eq!(peer.closed().await, 4000);
    assert_eq!(peer.event().await, "Err(Closed)");
}
