use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[after(2fortnights)]
    fn tick(&mut self) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
    Chat.tick();
}
