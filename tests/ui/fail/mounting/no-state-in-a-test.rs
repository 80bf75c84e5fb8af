use ws_core::prelude::*;
use ws_core::test::TestClient;

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
    let router = Router::new().mount::<Chat>();
    let client = TestClient::<Chat>::upgrade("/").open_through(router).await;
    drop(client);
}
