use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_info]
    fn heard(&mut self) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
