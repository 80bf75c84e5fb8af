use serde::Serialize;
use ws_core::prelude::*;

#[derive(Call, Serialize)]
#[call(returns = "bool")]
struct Confirm {
    order: u64,
}

#[websocket(path = "/board", envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        if let Ok(true) = cx.call(Confirm { order: 1 }).await {
            cx.close(1000);
        }
    }
}

fn main() {}
