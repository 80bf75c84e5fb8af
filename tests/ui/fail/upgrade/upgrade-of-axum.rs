use axum::extract::ws::WebSocketUpgrade;
use ws_core::prelude::*;

#[websocket(path = "/")]
struct Chat;

#[websocket]
impl Chat {
    #[on_upgrade]
    fn join(_: HeaderMap, _: WebSocketUpgrade) -> Self {
        Self
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
