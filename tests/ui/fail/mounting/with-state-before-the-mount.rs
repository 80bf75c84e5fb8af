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
    let _: Router = Router::new().with_state(Hub).mount::<Chat>();
}
