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
async fn main() -> ws_core::Result<()> {
    let router = Router::new().mount::<Chat>();
    router.workers(2).serve_with_shutdown("127.0.0.1:0", async {}).await?;
    Ok(())
}
