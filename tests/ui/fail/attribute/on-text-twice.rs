use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn first(&mut self, _: &str) {}

    #[on_text]
    fn second(&mut self, _: String) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
    Chat.second(String::new());
}
