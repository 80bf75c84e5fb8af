//! Calls in both directions, answers, cancellations and closes, in any order.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::runtime;
use tokio::task::JoinHandle;

use super::calls::Double;
use crate::prelude::*;
use crate::test::TestClient;

/// A handler that calls its client from a method, and from a future of its own.
#[websocket(envelope = JsonRpc, max_pending_calls = 4)]
#[derive(Default)]
struct Both;

struct Spawn;
struct Stop;

#[websocket]
impl Both {
    #[on_info]
    async fn await_call(&mut self, n: u32, cx: &mut Context<Self>) -> String {
        format!("{:?}", cx.call(Double { n }).await.is_ok())
    }

    #[on_info]
    fn spawn_call(&mut self, _: Spawn, cx: &mut Context<Self>) {
        let call = cx.call(Double { n: 0 });
        cx.spawn(async move { call.await.map_or(Done, |_| Done) });
    }

    #[on_info]
    fn done(&mut self, _: Done) {}

    #[on_info]
    fn stop(&mut self, _: Stop) -> Close {
        Close::from(1000)
    }

    #[on_binary]
    async fn slow(&mut self, bytes: Vec<u8>) {
        tokio::time::sleep(Duration::from_millis(bytes.len() as u64)).await;
    }
}

struct Done;

#[derive(Clone, Debug)]
enum Step {
    CallFromOutside { timeout: u8 },
    CallFromMethod,
    CallFromFuture,
    Answer { id: u64, is_error: bool },
    ClientCall,
    Slow { millis: u8 },
    Cancel { call: usize },
    Advance { seconds: u8 },
    Close,
    Abort,
    Stop,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..40_u8).prop_map(|timeout| Step::CallFromOutside { timeout }),
        4 => Just(Step::CallFromMethod),
        4 => Just(Step::CallFromFuture),
        8 => (0..12_u64, any::<bool>()).prop_map(|(id, is_error)| Step::Answer { id, is_error }),
        2 => Just(Step::ClientCall),
        2 => (0..200_u8).prop_map(|millis| Step::Slow { millis }),
        4 => (0..8_usize).prop_map(|call| Step::Cancel { call }),
        2 => (0..10_u8).prop_map(|seconds| Step::Advance { seconds }),
        1 => Just(Step::Close),
        1 => Just(Step::Abort),
        1 => Just(Step::Stop),
    ];
    vec(step, 1..40)
}

async fn run(steps: Vec<Step>) {
    let mut client = TestClient::open(Both).await;
    let addr = client.addr();
    let mut calls: Vec<JoinHandle<Result<u32, ClientCallError>>> = Vec::new();
    let mut is_connected = true;
    for step in steps {
        match step {
            Step::CallFromOutside { timeout } => {
                let timeout = Duration::from_secs(timeout.into());
                calls.push(tokio::spawn(addr.call(Double { n: 1 }).timeout(timeout)));
            }
            Step::CallFromMethod => _ = addr.send(1_u32),
            Step::CallFromFuture => _ = addr.send(Spawn),
            Step::Stop => _ = addr.send(Stop),
            Step::Cancel { call } => {
                if let Some(call) = calls.get(call) {
                    call.abort();
                }
            }
            Step::Advance { seconds } => client.advance(Duration::from_secs(seconds.into())).await,
            _ if !is_connected => {}
            Step::Answer { id, is_error: false } => {
                client.send(format!(r#"{{"jsonrpc":"2.0","result":{id},"id":{id}}}"#)).await;
            }
            Step::Answer { id, is_error: true } => {
                let error = r#"{"code":1,"message":"no"}"#;
                client.send(format!(r#"{{"jsonrpc":"2.0","error":{error},"id":{id}}}"#)).await;
            }
            Step::ClientCall => client.send(r#"{"jsonrpc":"2.0","method":"none","id":1}"#).await,
            Step::Slow { millis } => client.send(vec![0; millis.into()]).await,
            Step::Close => client.close(1000).await,
            Step::Abort => {
                is_connected = false;
                client.abort().await;
            }
        }
    }
    // The longest timeout is that of 39 seconds, and the methods wait for each other.
    client.advance(Duration::from_secs(40 * 31)).await;
    for call in calls {
        assert!(call.is_finished(), "a call has not ended");
    }
    assert_eq!(addr.0.calls().len(), 0, "a call is pending");
    assert!(addr.0.calls().next_unsent_len().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_call_ends_and_is_forgotten(steps in steps()) {
        let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(steps));
    }
}
