use ws_core::prelude::*;
use ws_core::JsonRpc;

#[websocket(path = "/rpc", envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_call]
    fn add(&mut self, a: i64, b: i64) -> Result<i64, String> {
        a.checked_add(b).ok_or_else(|| "too large".to_owned())
    }
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
