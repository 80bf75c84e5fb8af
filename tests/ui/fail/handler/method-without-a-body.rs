use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn said(&mut self, text: &str);

    #[on_open]
    fn open(&mut self) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
