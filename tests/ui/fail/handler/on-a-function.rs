use ws_core::prelude::*;

#[websocket(path = "/")]
async fn chat() {}

fn main() {
    drop(chat());
}
