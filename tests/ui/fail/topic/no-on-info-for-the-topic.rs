use ws_core::prelude::*;

#[derive(serde::Serialize, serde::Deserialize)]
struct Said(String);

#[websocket]
struct Chat {
    room: Topic<Said>,
}

#[websocket]
impl Chat {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.subscribe(&self.room);
    }

    #[on_info]
    fn heard(&mut self, said: Said) -> String {
        said.0
    }
}

fn main() {}
