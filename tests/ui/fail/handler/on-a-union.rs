use ws_core::prelude::*;

#[websocket]
union Chat {
    text: u8,
}

fn main() {
    let _ = Chat { text: 7 };
}
