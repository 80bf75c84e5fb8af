use ws_core::prelude::*;

#[websocket]
struct Other;

#[websocket]
impl Other {
    #[on_open]
    fn open(&mut self) {}
}

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn said(&mut self, _: &str, cx: &mut Context<Other>) {
        cx.send("hello");
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
