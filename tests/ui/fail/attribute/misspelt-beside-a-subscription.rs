use ws_core::prelude::*;

#[websocket(path = "/")]
struct Chat {
    room: Topic<String>,
}

#[websocket]
impl Chat {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        cx.subscribe(&self.room).await;
        if let Some(position) = self.room.position().await {
            cx.subscribe_from(&self.room, position).await;
        }
    }

    #[on_info]
    fn heard(&mut self, line: Published<String>) -> String {
        line.to_string()
    }

    #[on_txt]
    fn said(&mut self, _: &str) {}
}

fn main() {}
