use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_part]
    fn part(&mut self, _: &mut Part<'_>) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
