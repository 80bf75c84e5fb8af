use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    async fn said(&mut self, text: String, cx: &mut Context<Self>) -> Option<String> {
        let task = tokio::task::spawn(tokio::time::timeout(Duration::from_secs(1), async move {
            cx.send("working");
            text
        }));
        task.await.ok()?.ok()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
