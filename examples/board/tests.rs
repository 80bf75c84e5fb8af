use std::future::pending;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use ws_core::client::RemoteCallError;
use ws_core::contract;
use ws_core::test::TestClient;

use super::board::{BoardClient, Event, LoginError, PASSWORD, Pace, UnknownSymbol};
use super::*;

fn market() -> Market {
    Market::new(&Hub::local())
}

async fn open(market: &Market, uri: &str) -> TestClient<Board> {
    TestClient::<Board>::upgrade(uri).state(market.clone()).open().await.unwrap()
}

async fn member(market: &Market) -> TestClient<Board> {
    let mut client = open(market, "/board").await;
    client.call("login", json!(["anna", PASSWORD])).await.unwrap();
    client
}

/// Returns the numbers of subscribers of a symbol, live and calm.
fn subscribers(market: &Market, symbol: &str) -> [usize; 2] {
    let at = market.find(symbol).unwrap();
    [Pace::Live, Pace::Calm].map(|pace| market.topic(at, pace).subscribers())
}

#[tokio::test]
async fn member_gets_the_price_and_its_changes() {
    let market = market();
    let mut client = open(&market, "/board").await;
    let welcome = client.call("login", json!(["anna", PASSWORD])).await.unwrap();
    assert_eq!(welcome["listings"].as_array().unwrap().len(), 200);
    assert_eq!(welcome["listings"][0], json!({ "symbol": "AAPL", "name": "Apple" }));

    let quotes = client.call("subscribe", json!([["AAPL", "V", "AAPL"]])).await.unwrap();
    assert_eq!(quotes.as_array().unwrap().len(), 2);
    assert_eq!(quotes[0]["open"], 22950);
    assert_eq!(quotes[0]["recent"].as_array().unwrap().len(), 60);
    assert_eq!(quotes[0]["recent"][59], quotes[0]["cents"]);

    // 2,000 prices: ten of each symbol.
    for _ in 0..10 {
        (0..2).for_each(|_| market.tick().unwrap());
        for _ in 0..2 {
            let price: Value = client.message("price").await;
            let at = market.find(price["symbol"].as_str().unwrap()).unwrap();
            assert_eq!(price["cents"], market.quote(at).cents);
        }
    }
    client.expect_nothing().await;
}

#[tokio::test]
async fn slow_client_gets_the_newest_price_of_each_symbol() {
    let market = market();
    let mut client = member(&market).await;
    client.call("subscribe", json!([["AAPL", "V"]])).await.unwrap();
    // The client reads nothing meanwhile.
    (0..200).for_each(|_| market.tick().unwrap());
    for _ in 0..2 {
        let price: Value = client.message("price").await;
        let at = market.find(price["symbol"].as_str().unwrap()).unwrap();
        assert_eq!(price["cents"], market.quote(at).cents);
    }
    client.expect_nothing().await;
}

#[tokio::test]
async fn subscriptions_end() {
    let market = market();
    let mut client = member(&market).await;
    client.call("subscribe", json!([["AAPL", "V"]])).await.unwrap();
    assert_eq!((subscribers(&market, "AAPL"), subscribers(&market, "V")), ([1, 0], [1, 0]));
    client.call("unsubscribe", json!([["AAPL", "MSFT"]])).await.unwrap();
    assert_eq!((subscribers(&market, "AAPL"), subscribers(&market, "V")), ([0, 0], [1, 0]));
    client.call("logout", json!([])).await.unwrap();
    assert_eq!(subscribers(&market, "V"), [0, 0]);
    let error = client.call("subscribe", json!([["AAPL"]])).await.unwrap_err();
    assert_eq!(error.code(), CallError::WRONG_STATE);
}

#[tokio::test]
async fn calm_client_has_fewer_prices() {
    let market = market();
    let mut client = open(&market, "/board?pace=calm").await;
    client.call("login", json!(["anna", PASSWORD])).await.unwrap();
    client.call("subscribe", json!([["AAPL"]])).await.unwrap();
    assert_eq!(subscribers(&market, "AAPL"), [0, 1]);
    // Ten prices, of which the client gets one.
    for _ in 0..3 {
        (0..20).for_each(|_| market.tick().unwrap());
        let price: Value = client.message("price").await;
        assert_eq!(price["symbol"], "AAPL");
        client.expect_nothing().await;
    }

    let rejection = TestClient::<Board>::upgrade("/board?pace=wild").state(market).open().await.unwrap_err();
    assert_eq!(rejection.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn unknown_symbols_are_refused_together() {
    let market = market();
    let mut client = member(&market).await;
    for call in ["subscribe", "unsubscribe"] {
        let error = client.call(call, json!([["AAPL", "ACME"]])).await.unwrap_err();
        assert_eq!((error.code(), error.data().unwrap().get()), (-32003, r#""ACME""#));
    }
    assert_eq!(subscribers(&market, "AAPL"), [0, 0]);
}

#[tokio::test]
async fn guest_has_three_attempts_and_thirty_seconds() {
    let market = market();
    let mut client = open(&market, "/board").await;
    for name in ["", " ", &"x".repeat(33)] {
        assert_eq!(client.call("login", json!([name, PASSWORD])).await.unwrap_err().code(), -32002);
    }
    for left in ["2", "1"] {
        let error = client.call("login", json!(["anna", "wrong"])).await.unwrap_err();
        assert_eq!((error.code(), error.data().unwrap().get()), (-32001, left));
    }
    client.send_call("login", json!(["anna", "wrong"])).await;
    assert_eq!(client.closed().await.code, CloseCode::Library(4403));

    let mut client = open(&market, "/board").await;
    client.advance(Duration::from_secs(30)).await;
    assert_eq!(client.closed().await.code, CloseCode::Library(4401));

    let mut client = member(&market).await;
    client.advance(Duration::from_secs(30)).await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn prices_change_every_tick() {
    tokio::time::pause();
    let market = market();
    let before = market.quote(0).recent;
    let running = tokio::spawn(market.clone().run());
    tokio::time::sleep(Duration::from_millis(1990)).await;
    let recent = market.quote(0).recent;
    // Two seconds are over: the oldest two prices are gone.
    assert_eq!(recent[..58], before[2..]);
    running.abort();
}

#[tokio::test]
async fn typed_client_has_the_types_of_the_handler() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/board?pace=live", listener.local_addr().unwrap());
    let market = market();
    tokio::spawn(router(market.clone()).serve_listener(listener, pending()));
    let client = BoardClient::connect(&url).await.unwrap();
    let error = client.login("anna".to_owned(), "wrong".to_owned()).await.unwrap_err();
    assert!(
        matches!(error, RemoteCallError::Refused(LoginError::WrongPassword { attempts_left: 2 })),
        "{error:?}"
    );
    assert_eq!(client.login("anna".to_owned(), PASSWORD.to_owned()).await.unwrap().listings.len(), 200);
    let error = client.subscribe(vec!["ACME".to_owned()]).await.unwrap_err();
    assert!(
        matches!(&error, RemoteCallError::Refused(UnknownSymbol(symbol)) if symbol == "ACME"),
        "{error:?}"
    );

    let mut prices = client.messages();
    let [quote] = &client.subscribe(vec!["V".to_owned()]).await.unwrap()[..] else { panic!("one quote") };
    assert_eq!(quote.open, 34180);
    (0..20).for_each(|_| market.tick().unwrap());
    let Event::Price { symbol, .. } = prices.next().await.unwrap().unwrap();
    assert_eq!(symbol, "V");
    client.close().await;
}

#[test]
fn contract_is_kept() {
    contract::check("contract/board.json", &router(market()));
}

/// The generated client in TypeScript is a file of the repository, for its readers and for `tests/interop`.
/// `UPDATE_CONTRACT=1` writes it again.
#[test]
fn typescript_is_that_of_the_contract() {
    let files = router(market()).contract().typescript();
    let [file] = &files[..] else { panic!("one handler") };
    assert_eq!(file.name, "board.ts");
    if std::env::var_os("UPDATE_CONTRACT").is_some() {
        std::fs::write("board/board.ts", &file.text).unwrap();
    }
    let kept = std::fs::read_to_string("board/board.ts").unwrap_or_default();
    assert!(
        kept == file.text,
        "board/board.ts is not what the contract generates: run with UPDATE_CONTRACT=1"
    );
}

#[test]
fn page_has_its_modules() {
    // The page imports `/board.js`, and that module the two others.
    let names: Vec<_> = router(market()).contract().javascript().into_iter().map(|file| file.name).collect();
    for name in ["board.js", "ws-core-contract.js", "ws-core.js"] {
        assert!(names.iter().any(|known| known == name), "{names:?}");
    }
}
