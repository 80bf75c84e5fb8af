use ws_core::prelude::*;

#[websocket(path = "/rpc")]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_call]
    async fn add(&mut self, a: i64, b: i64) -> i64 {
        a + b
    }
    #[on_message]
    async fn said(&mut self, cx: &mut Context<Self>, text: &str) {
        cx.send(text);
    }
    #[on_text]
    fn text(&mut self, _: &str) {}
}

fn main() {
    let _: Router = Router::new().mount::<Board>();
}
