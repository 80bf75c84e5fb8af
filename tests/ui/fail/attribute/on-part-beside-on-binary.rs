use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_binary]
    async fn data(&mut self, _: &[u8]) {}

    #[on_part]
    async fn part(&mut self, _: Part<'_>) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
