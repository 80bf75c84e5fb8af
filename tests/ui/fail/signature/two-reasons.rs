use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_close]
    fn left(&mut self, _: &CloseReason, _: &str) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
