use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_info]
    fn price(&mut self, _: (&str, u32)) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
