use ws_core::prelude::*;

#[websocket]
struct Chat {
    room: Topic<String>,
}

#[websocket]
impl Chat {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        cx.subscribe(&self.room).await;
    }

    #[on_info]
    fn heard(&mut self, line: String) -> String {
        line
    }
}

fn main() {}
