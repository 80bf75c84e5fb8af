use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_open]
    fn open(&mut self, _: Addr<Self>) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
