use ws_core::prelude::*;

#[websocket(path = "/{room}/{seat}")]
struct Chat;

#[websocket]
impl Chat {
    #[on_upgrade]
    fn join(_: Path<String>) -> Self {
        Self
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
