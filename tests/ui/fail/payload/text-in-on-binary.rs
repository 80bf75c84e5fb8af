use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_binary]
    async fn data(&mut self, _: &str) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
