use ws_core::prelude::*;
use ws_core::{CallError, JsonRpc};

#[websocket(path = "/rpc", envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_call]
    fn add(&mut self, a: i64) -> Result<Deferred<i64>, CallError> {
        Ok(Deferred::new(async move { a }))
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
