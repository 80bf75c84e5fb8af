use ws_core::prelude::*;

const SECONDS: u64 = 5;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[every(SECONDS)]
    fn tick(&mut self) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
    Chat.tick();
}
