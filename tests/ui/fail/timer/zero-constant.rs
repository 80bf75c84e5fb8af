use ws_core::prelude::*;

const NEVER: Duration = Duration::ZERO;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[every(NEVER)]
    fn tick(&mut self) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
    Chat.tick();
}
