use ws_core::prelude::*;
use ws_core::JsonRpc;

#[websocket(path = "/rpc", envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_call]
    fn add(&mut self, a: i64) -> Deferred<Result<i64, String>> {
        Deferred::new(async move { Ok(a) })
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
