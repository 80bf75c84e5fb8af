use ws_core::prelude::*;

#[websocket]
struct Chat {
    room: Topic<String>,
}

#[websocket]
impl Chat {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.watch(&self.room);
        cx.subscribe(&self.room);
    }

    #[on_info]
    fn heard(&mut self, said: Published<String>) -> String {
        said.to_uppercase()
    }
}

fn main() {}
