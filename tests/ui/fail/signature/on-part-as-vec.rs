use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_part]
    async fn part(&mut self, _: Vec<u8>) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
