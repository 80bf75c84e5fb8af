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

fn main() {
    let handlers = Router::new().mount::<Chat>();
    let _: axum::Router = axum::Router::new().nest_service("/live", handlers);
}
