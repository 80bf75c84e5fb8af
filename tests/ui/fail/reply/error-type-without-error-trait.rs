use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn said(&mut self, _: &str) -> Result<String, u8> {
        Err(7)
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
