//! A client of the example `board`: a handler in the client's role, which logs in, subscribes, and prints a line a second.
//!
//! Start the board (`cargo run --example board --features board`), and run this with
//! `cargo run --example feed --features board`. The arguments are the address of the board, `127.0.0.1:8080` by default,
//! and symbols. With `--once`, the typed client of `Board` prints their prices, and ends.

#[path = "board/mod.rs"]
#[allow(dead_code, reason = "the client needs the types and the generated client, not the market")]
mod board;

use std::collections::BTreeMap;

use board::{BoardClient, PASSWORD, Quote, Welcome};
use serde::Serialize;
use ws_core::client::{Backoff, Client, Disconnect, Reconnect};
use ws_core::{BoxError, prelude::*};

/// The call `login` of the board.
#[derive(Call, Serialize)]
#[call(returns = Welcome)]
struct Login {
    name: &'static str,
    password: &'static str,
}

/// The call `subscribe` of the board.
#[derive(Call, Serialize)]
#[call(returns = Vec<Quote>)]
struct Subscribe {
    symbols: Vec<String>,
}

/// The client. Each connection has a new one.
#[websocket(envelope = JsonRpc)]
struct Feed {
    symbols: Vec<String>,
    prices: BTreeMap<String, Price>,
    /// Whether a price has arrived since the last check.
    is_alive: bool,
}

struct Price {
    cents: u32,
    count: u64,
}

impl Feed {
    fn new(symbols: &[String]) -> Self {
        Self { symbols: symbols.to_owned(), prices: BTreeMap::new(), is_alive: true }
    }

    async fn subscribe(&mut self, cx: &mut Context<Self>) -> Result<(), ClientCallError> {
        cx.call(Login { name: "feed", password: PASSWORD }).await?;
        for Quote { symbol, cents, .. } in cx.call(Subscribe { symbols: self.symbols.clone() }).await? {
            self.prices.insert(symbol, Price { cents, count: 0 });
        }
        Ok(())
    }
}

#[websocket]
impl Feed {
    /// Runs for each connection, so that a new one has the subscriptions of the one before.
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) -> Option<Close> {
        match self.subscribe(cx).await {
            Ok(()) => None,
            Err(ClientCallError::Refused(error)) => {
                eprintln!("the board refuses: {error}");
                Some(Close::default()) // The client ends.
            }
            Err(error) => Some(Close::new(CloseCode::Error, error.to_string())), // The client reconnects.
        }
    }

    #[on_message]
    fn price(&mut self, symbol: String, cents: u32) {
        if let Some(price) = self.prices.get_mut(&symbol) {
            *price = Price { cents, count: price.count + 1 };
            self.is_alive = true;
        }
    }

    #[every(1s)]
    fn print(&mut self) {
        let price = |(symbol, price): (&String, &Price)| {
            format!("{symbol}: {}.{:02} ({})", price.cents / 100, price.cents % 100, price.count)
        };
        let line: Vec<_> = self.prices.iter().map(price).collect();
        println!("{}", line.join("  "));
    }

    /// Reconnects if no price arrives, although the connection is open: pings do not notice that.
    #[every(5s)]
    fn check(&mut self) -> Option<Close> {
        let is_alive = std::mem::take(&mut self.is_alive);
        (!is_alive).then(|| Close::new(4408, "no price for 5 s"))
    }
}

/// Reconnects like the default, and prints why.
fn reconnect(disconnect: &Disconnect<'_>) -> Option<Duration> {
    let delay = Backoff::default().reconnect(disconnect)?;
    eprintln!("{disconnect}; reconnecting in {} ms", delay.as_millis());
    Some(delay)
}

/// Prints the current prices, with the client that the `impl` of `Board` generates.
async fn print_once(url: &str, symbols: Vec<String>) -> Result<(), BoxError> {
    let board = BoardClient::connect(url).await?;
    board.login("feed".to_owned(), PASSWORD.to_owned()).await?;
    for Quote { symbol, cents, open, .. } in board.subscribe(symbols).await? {
        println!("{symbol}: {}.{:02}, opened at {}.{:02}", cents / 100, cents % 100, open / 100, open % 100);
    }
    board.close().await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let mut args: Vec<_> = std::env::args().skip(1).collect();
    let is_once = args.iter().any(|arg| arg == "--once");
    args.retain(|arg| arg != "--once");
    let mut args = args.into_iter();
    let url = format!("ws://{}/board", args.next().as_deref().unwrap_or("127.0.0.1:8080"));
    let mut symbols: Vec<_> = args.collect();
    if symbols.is_empty() {
        symbols = ["AAPL", "MSFT", "NVDA"].map(str::to_owned).into();
    }
    if is_once {
        return print_once(&url, symbols).await;
    }
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    let client = Client::new(&url).reconnect(reconnect);
    let ended = client.run_with_shutdown(|| Feed::new(&symbols), stop).await?;
    println!("{ended}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use ws_core::test::TestClient;

    use super::*;

    /// Opens a connection whose other side plays the board.
    async fn open() -> TestClient<Feed> {
        let mut board = TestClient::open(Feed::new(&["AAPL".to_owned()])).await;
        board
            .answer("login", |params: Value| {
                assert_eq!(params, json!({ "name": "feed", "password": PASSWORD }));
                Ok(json!({ "listings": [] }))
            })
            .await;
        board
    }

    async fn subscribed() -> TestClient<Feed> {
        let mut board = open().await;
        board
            .answer("subscribe", |params: Value| {
                assert_eq!(params, json!({ "symbols": ["AAPL"] }));
                Ok(json!([{ "symbol": "AAPL", "cents": 100, "open": 90, "recent": [] }]))
            })
            .await;
        board
    }

    #[tokio::test]
    async fn reconnects_without_prices() {
        let mut board = subscribed().await;
        for seconds in 1..=12 {
            board.send_message("price", json!({ "symbol": "AAPL", "cents": 100 + seconds })).await;
            board.advance(Duration::from_secs(1)).await;
        }
        board.expect_nothing().await;
        board.advance(Duration::from_secs(8)).await;
        assert_eq!(board.closed().await.code, CloseCode::Library(4408));
    }

    #[tokio::test]
    async fn ends_when_the_board_refuses() {
        let mut board = open().await;
        board.answer("subscribe", |_: Value| Err::<Value, _>(CallError::new(-32003, "unknown symbol"))).await;
        assert_eq!(board.closed().await.code, CloseCode::Normal);
    }
}
