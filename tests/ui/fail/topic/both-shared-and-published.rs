use ws_core::prelude::*;

#[websocket]
struct Chat {
    room: Topic<String>,
}

#[websocket]
impl Chat {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.subscribe(&self.room);
    }

    #[on_info]
    fn heard(&mut self, line: Arc<String>) -> String {
        line.to_string()
    }

    #[on_info]
    fn read(&mut self, line: Published<String>) -> String {
        line.to_string()
    }
}

fn main() {}
