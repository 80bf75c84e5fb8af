use ws_core::prelude::*;

#[derive(Default)]
struct Said {
    text: String,
}

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn said(&mut self, _: Said) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
    let _ = Said::default().text;
}
