use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn said(&mut self, text: String, cx: &mut Context<Self>) {
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            cx.send(text);
        });
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
