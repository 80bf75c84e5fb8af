use ws_core::prelude::*;

#[websocket(path = "/", session)]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_suspend]
    fn away(&mut self) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
