use ws_core::prelude::*;

#[websocket]
struct Chat {
    room: Topic<String>,
}

#[websocket]
impl Chat {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        cx.subscribe_from(&self.room, 50).await;
    }
    #[on_info]
    fn heard(&mut self, line: Arc<String>) -> String {
        line.to_string()
    }
}

fn main() {}
