//! Tests `examples/rpc` with the client of jsonrpsee: `interop-jsonrpsee ws://127.0.0.1:PORT/rpc`.

use jsonrpsee::core::client::{ClientT, Error, SubscriptionClientT};
use jsonrpsee::core::params::BatchRequestBuilder;
use jsonrpsee::rpc_params;
use jsonrpsee::ws_client::WsClientBuilder;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let url = std::env::args().nth(1).expect("a URL");
    let client = WsClientBuilder::default().build(url).await.unwrap();

    assert_eq!(client.request::<i64, _>("add", rpc_params![1, 2]).await.unwrap(), 3);
    let Err(Error::Call(error)) = client.request::<f64, _>("divide", rpc_params![7, 0]).await else {
        panic!("an error");
    };
    assert_eq!((error.code(), error.message()), (-32000, "division by zero"));
    assert_eq!(error.data().unwrap().get(), r#"{"dividend":7}"#);
    let Err(Error::Call(error)) = client.request::<Value, _>("nothing", rpc_params![]).await else {
        panic!("an error");
    };
    assert_eq!(error.code(), -32601);

    let value = json!({ "text": "κόσμε 🎈", "list": [1.5, null, true, u64::MAX] });
    assert_eq!(client.request::<Value, _>("echo", rpc_params![&value]).await.unwrap(), value);

    let (slow, fast) = (
        client.request::<u64, _>("sleep", rpc_params![200]),
        client.request::<u64, _>("sleep", rpc_params![100]),
    );
    let (slow, fast) = tokio::join!(slow, fast);
    assert_eq!((slow.unwrap(), fast.unwrap()), (200, 100));

    let mut batch = BatchRequestBuilder::new();
    for n in 0..100 {
        batch.insert("add", rpc_params![n, 1]).unwrap();
    }
    let sums = client.batch_request::<i64>(batch).await.unwrap();
    assert!(sums.into_iter().enumerate().all(|(n, sum)| sum.unwrap() == n as i64 + 1));

    let mut ticks = client.subscribe_to_method::<Value>("tick").await.unwrap();
    client.request::<Value, _>("subscribe_clock", rpc_params![20]).await.unwrap();
    for n in 1..=3 {
        assert_eq!(ticks.next().await.unwrap().unwrap(), json!({ "n": n }));
    }
    client.request::<Value, _>("unsubscribe_clock", rpc_params![]).await.unwrap();
    println!("jsonrpsee 0.26: ok");
}
