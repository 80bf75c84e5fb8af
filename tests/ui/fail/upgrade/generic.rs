use ws_core::prelude::*;

#[websocket(path = "/")]
struct Chat;

#[websocket]
impl Chat {
    #[on_upgrade]
    fn join<S>(_: State<S>) -> Self {
        Self
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
