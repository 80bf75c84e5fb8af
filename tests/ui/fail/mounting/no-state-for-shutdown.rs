use ws_core::prelude::*;

#[derive(Clone)]
struct Hub;

#[websocket(path = "/")]
struct Chat;

#[websocket]
impl Chat {
    #[on_upgrade]
    fn join(_: State<Hub>) -> Self {
        Self
    }
}

#[tokio::main]
async fn main() {
    let handlers = Router::new().mount::<Chat>();
    handlers.shutdown().await;
}
