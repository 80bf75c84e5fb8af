use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_drain]
    fn drained(&mut self, _: usize) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
