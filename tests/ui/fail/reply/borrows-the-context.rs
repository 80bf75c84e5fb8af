use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn said(&mut self, _: &str, _: &mut Context<Self>) -> impl IntoReply {
        ("one", "two")
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
