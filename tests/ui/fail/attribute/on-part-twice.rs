use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_part]
    fn text(&mut self, _: Part<'_>) {}

    #[on_part]
    fn binary(&mut self, _: Part<'_>) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
