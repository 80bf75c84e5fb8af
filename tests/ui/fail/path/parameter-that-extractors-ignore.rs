use ws_core::prelude::*;

#[websocket(path = "/chat/{room}")]
struct Chat;

#[websocket]
impl Chat {
    #[on_upgrade]
    fn join(_: HeaderMap) -> Self {
        Self
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
