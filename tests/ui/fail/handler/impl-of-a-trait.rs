use ws_core::prelude::*;

trait Greet {
    fn greet(&mut self, text: &str) -> String;
}

#[websocket]
#[derive(Default)]
struct Chat;

#[websocket]
impl Greet for Chat {
    #[on_text]
    fn greet(&mut self, text: &str) -> String {
        format!("hello {text}")
    }
}

fn main() {
    Chat.greet("still there");
}
