use ws_core::prelude::*;

#[websocket(path = "/", session)]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_detach]
    fn away(&mut self, reason: &CloseReason) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
