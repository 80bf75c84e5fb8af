use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_overflow]
    fn lagged(&mut self, _: u64) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
