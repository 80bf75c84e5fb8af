use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_upgrade]
    fn first() -> Self {
        Self
    }

    #[on_upgrade]
    fn second() -> Self {
        Self
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
