use ws_core::prelude::*;

#[websocket(path = "chat", mailbx = 5)]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_txt]
    fn said(&mut self, _: &str) {}

    #[every(0s)]
    fn tick(&mut self) {}

    #[on_binary]
    fn data(self, _: &[u8]) {}

    #[on_close]
    fn left(&mut self) -> String {
        String::new()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
