use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_upgrade]
    fn join(&self) -> Self {
        Self
    }

    #[on_text]
    fn missing(_: &str) {}

    #[on_binary]
    fn by_value(self, _: &[u8]) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
