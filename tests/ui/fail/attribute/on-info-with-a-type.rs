use ws_core::prelude::*;

struct Tick;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_info(Tick)]
    fn tick(&mut self, _: Tick) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
