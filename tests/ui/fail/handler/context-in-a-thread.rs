use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn said(&mut self, text: String, context: &mut Context<Self>) {
        std::thread::spawn(move || context.send(text));
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
