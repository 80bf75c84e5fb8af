use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_prat]
    fn part(&mut self, _: Part<'_>) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
