use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.send(7);
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
