use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_part]
    fn part(&mut self, _: &[u8], _: &mut Context<Self>) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
