use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use ws_core::prelude::*;

#[websocket(path = "/")]
struct Chat;

#[websocket]
impl Chat {
    #[on_upgrade]
    fn join(upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>) -> Result<Self, WebSocketUpgradeRejection> {
        upgrade.map(|_| Self)
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
