//! The server of the tests.

use std::future::pending;
use std::net::SocketAddr;
use std::thread;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use ws_core::axum_core::body::Body;
use ws_core::axum_core::response::{IntoResponse, Response};
use ws_core::contract::{CallErrors, ErrorList};
use ws_core::prelude::*;
use ws_core::{CallError, HeaderMap, Messages, StatusCode, Tls, Uri};

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Buy,
    Sell,
}

#[derive(Serialize, Messages, JsonSchema)]
pub enum Event {
    /// A new price, in cents.
    Price {
        symbol: String,
        cents: u64,
    },
    Closed,
}

/// The question whether the user confirms an order.
#[derive(Serialize, Call, JsonSchema)]
#[call(returns = bool)]
pub struct Confirm {
    order: u64,
}

pub struct Refused;

impl From<Refused> for CallError {
    fn from(_: Refused) -> Self {
        Self::new(-32001, "not confirmed").with_data(&"try again")
    }
}

impl CallErrors for Refused {
    fn describe_errors(errors: &mut ErrorList<'_>) {
        errors.add_with_data::<String>(-32001, "the user said no");
    }
}

#[websocket(path = "/board/{_market}", envelope = JsonRpc, sends = Event)]
#[derive(Default)]
pub struct Board;

/// Prices of a market.
#[websocket(contract(calls = [Confirm]))]
impl Board {
    /// Subscribes to symbols.
    #[on_call]
    fn subscribe(&mut self, symbols: Vec<String>, depth: Option<u8>, cx: &mut Context<Self>) -> usize {
        _ = depth;
        for (cents, symbol) in (100_u64..).zip(symbols.clone()) {
            cx.send(Event::Price { symbol, cents });
        }
        symbols.len()
    }

    /// Places an order, which the client has to confirm.
    #[on_call]
    fn order(&mut self, id: u64, side: Side, cx: &mut Context<Self>) -> Deferred<Result<u64, Refused>> {
        _ = side;
        let confirmed = cx.call(Confirm { order: id });
        Deferred::new(async move { if confirmed.await.unwrap_or(false) { Ok(id) } else { Err(Refused) } })
    }

    /// Subscribes to one symbol, until the market closes.
    #[on_message]
    fn watch(&mut self, symbol: String, cx: &mut Context<Self>) {
        cx.send(Event::Price { symbol, cents: 1 });
        cx.send(Event::Closed);
    }
}

#[websocket(path = "/trouble", envelope = JsonRpc)]
#[derive(Default)]
struct Trouble;

#[websocket(contract(closes = [(4401, "log in first")]))]
impl Trouble {
    #[on_call]
    fn add(&mut self, a: i64, b: i64) -> i64 {
        a + b
    }

    /// Never answers.
    #[on_call]
    fn stall(&mut self) -> Deferred<u64> {
        Deferred::new(pending())
    }

    #[on_call]
    fn leave(&mut self, cx: &mut Context<Self>) -> Deferred<u64> {
        cx.close(4401);
        Deferred::new(pending())
    }

    /// Closes as a server that restarts.
    #[on_call]
    fn restart(&mut self, cx: &mut Context<Self>) -> Deferred<u64> {
        cx.close(1012);
        Deferred::new(pending())
    }
}

#[websocket(path = "/echo")]
#[derive(Default)]
struct Echo;

#[websocket(contract)]
impl Echo {
    #[on_text]
    fn said(&mut self, text: String) -> String {
        text
    }

    #[on_binary]
    fn sent(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
}

/// JSON-RPC 2.0 without a contract.
#[websocket(path = "/plain", envelope = JsonRpc)]
#[derive(Default)]
pub struct Plain;

#[websocket]
impl Plain {
    #[on_call]
    fn add(&mut self, a: i64, b: i64) -> i64 {
        a + b
    }
}

pub fn router() -> Router {
    Router::new().mount::<Board>().mount::<Echo>().mount::<Trouble>()
}

/// What a server has at `/docs/contract.json`.
#[derive(Clone, Copy)]
pub enum Docs {
    /// The documentation of the router.
    Contract,
    Nothing,
    NewerFormat,
    TooLarge,
    /// The contract, for requests with the header `authorization`.
    Locked,
}

impl Docs {
    fn respond(self, contract: &str, path: &str, headers: &HeaderMap) -> Response {
        let json = |text: &str| ([("content-type", "application/json")], text.to_owned()).into_response();
        match (self, path) {
            (Self::NewerFormat, "/docs/contract.json") => json(r#"{"format":2,"handlers":[]}"#),
            (Self::TooLarge, "/docs/contract.json") => Response::new(Body::from(vec![b' '; (16 << 20) + 1])),
            (Self::Locked, _) if !headers.contains_key("authorization") => {
                StatusCode::UNAUTHORIZED.into_response()
            }
            (Self::Locked, "/docs/contract.json") => json(contract),
            _ => (StatusCode::NOT_FOUND, "not found").into_response(),
        }
    }
}

/// Serves until the end of the process. Returns the address.
pub fn serve(router: Router, docs: Docs) -> SocketAddr {
    serve_over(router, docs, None)
}

/// Like [`serve`], but over TLS if there is a certificate.
pub fn serve_over(router: Router, docs: Docs, tls: Option<Tls>) -> SocketAddr {
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            let contract: &str = router.contract().to_json().leak();
            let answer = move |url: Uri, headers: HeaderMap| async move {
                docs.respond(contract, url.path(), &headers)
            };
            let router = if let Docs::Contract = docs { router.docs("/docs") } else { router };
            let router = router.fallback(axum::Router::new().fallback(answer));
            match tls {
                Some(tls) => router.serve_tls_listener(listener, tls, pending()).await.unwrap(),
                None => router.serve_listener(listener, pending()).await.unwrap(),
            }
        });
    });
    receiver.recv().unwrap()
}
