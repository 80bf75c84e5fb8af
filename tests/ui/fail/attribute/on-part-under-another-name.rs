use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_chunk]
    fn part(&mut self, _: Part<'_>) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
