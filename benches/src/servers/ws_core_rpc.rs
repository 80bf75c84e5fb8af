//! JSON-RPC with this project: by an envelope, and by hand with `Json<T>` and a `match`.

use serde::{Deserialize, Serialize};
use ws_core::prelude::*;

#[websocket(envelope = JsonRpc)]
#[derive(Default)]
struct Calls;

#[websocket]
impl Calls {
    #[on_call]
    fn add(&mut self, a: i64, b: i64) -> i64 {
        a + b
    }
}

#[derive(Deserialize)]
struct Request<'a> {
    id: u64,
    method: &'a str,
    params: (i64, i64),
}

#[derive(Serialize)]
struct Response {
    jsonrpc: &'static str,
    result: i64,
    id: u64,
}

#[websocket]
#[derive(Default)]
struct ByHand;

#[websocket]
impl ByHand {
    #[on_text]
    fn request(&mut self, Json(request): Json<Request<'_>>) -> Option<Json<Response>> {
        let Request { id, method, params: (a, b) } = request;
        match method {
            "add" => Some(Json(Response { jsonrpc: "2.0", result: a + b, id })),
            _ => None,
        }
    }
}

pub(super) async fn serve_calls(addr: &str) -> std::io::Result<()> {
    Router::new().mount_at::<Calls>("/").serve(addr).await.map_err(std::io::Error::other)
}

pub(super) async fn serve_by_hand(addr: &str) -> std::io::Result<()> {
    Router::new().mount_at::<ByHand>("/").serve(addr).await.map_err(std::io::Error::other)
}
