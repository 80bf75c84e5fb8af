use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_writable]
    fn drained(&mut self) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
