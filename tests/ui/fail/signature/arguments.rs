use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_open]
    fn open(&mut self, _: &str) {}

    #[on_text]
    fn nothing(&mut self) {}

    #[on_binary]
    fn two(&mut self, _: &[u8], _: &[u8]) {}

    #[on_close]
    fn close(&mut self, _: CloseReason) {}

    #[on_error]
    const unsafe fn error<T>(&mut self, _: &HandlerError) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
