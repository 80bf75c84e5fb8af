use ws_core::prelude::*;

#[websocket(envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket(client = "BoardClient")]
impl Board {
    #[on_call]
    fn add(&mut self, a: i64, b: i64) -> i64 {
        a + b
    }
}

fn main() {
    let _: Router = Router::new().mount_at::<Board>("/");
}
