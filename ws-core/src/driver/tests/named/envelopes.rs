//! Envelopes of a user: how often a text is opened, and what a batch may contain.

use std::cell::Cell;

use serde::Serialize;

use super::*;
use crate::{Envelope, RawId};

thread_local! {
    /// How many texts this test has opened.
    static OPENED: Cell<usize> = const { Cell::new(0) };
}

/// JSON-RPC that counts. The text `nested` is a batch of a batch, a text that is not in the envelope, and a call.
enum Counted {}

impl Envelope for Counted {
    type Id = RawId;

    fn open(text: &str) -> Incoming<'_, RawId> {
        OPENED.set(OPENED.get() + 1);
        if text == "nested" {
            let call = || Incoming::Call { id: RawId::null(), name: "ask".into(), params: None };
            return Incoming::Batch(vec![Incoming::Batch(vec![call()]), Incoming::Other, call()]);
        }
        JsonRpc::open(text)
    }

    fn write_message<T: Serialize + ?Sized>(name: &str, to: &T, out: &mut Vec<u8>) -> serde_json::Result<()> {
        JsonRpc::write_message(name, to, out)
    }

    fn write_call<T: Serialize + ?Sized>(
        id: u64,
        name: &str,
        params: &T,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        JsonRpc::write_call(id, name, params, out)
    }

    fn write_answer<T: Serialize + ?Sized>(
        id: &RawId,
        answer: Result<&T, &CallError>,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        JsonRpc::write_answer(id, answer, out)
    }
}

#[derive(Call, Serialize)]
#[call(returns = u32)]
struct Version {}

#[websocket(envelope = Counted, idle_timeout = none, ping_interval = none)]
struct Asks(Log);

#[websocket]
impl Asks {
    #[on_call]
    fn ask(&mut self, cx: &mut Context<Self>) -> usize {
        let log = self.0.clone();
        let version = cx.call(Version {});
        tokio::spawn(async move { log.send(format!("{:?}", version.await)) });
        cx.pending_calls()
    }

    #[on_text]
    fn text(&mut self, text: &str) {
        self.0.send(text.to_owned()).unwrap();
    }
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"version","params":{}}"#;
const ANSWER: &str = r#"{"jsonrpc":"2.0","result":7,"id":1}"#;

/// Also after the first call of a connection, when any text may be an answer.
#[tokio::test(start_paused = true)]
async fn a_text_is_opened_once() {
    let mut peer = connect(Asks);
    for (calls, text) in [(1, CALL.to_owned()), (2, CALL.replace(":1,", ":2,"))] {
        peer.send(r#"{"jsonrpc":"2.0","method":"ask","id":9}"#).await;
        assert_eq!(peer.text().await, text);
        assert_eq!(peer.text().await, format!(r#"{{"jsonrpc":"2.0","result":{calls},"id":9}}"#));
        assert_eq!(OPENED.take(), 1);
    }
    peer.send(ANSWER).await;
    assert_eq!(peer.event().await, "Ok(7)");
    assert_eq!(OPENED.take(), 1);
    peer.send(&format!("[{}]", ANSWER.replace("\"id\":1", "\"id\":2"))).await;
    assert_eq!(peer.event().await, "Ok(7)");
    assert_eq!(OPENED.take(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_in_a_batch_is_ignored() {
    let mut peer = connect(Asks);
    peer.send("nested").await;
    assert_eq!(peer.text().await, CALL);
    assert_eq!(peer.text().await, r#"[{"jsonrpc":"2.0","result":1,"id":null}]"#);
    peer.send(ANSWER).await;
    assert_eq!(peer.event().await, "Ok(7)");
}
