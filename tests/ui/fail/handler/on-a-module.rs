use ws_core::prelude::*;

#[websocket]
mod chat {
    pub fn hello() {}
}

fn main() {
    chat::hello();
}
