use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_info]
    fn price(&mut self, _: u32) {}
}

async fn send(addr: &Addr<Chat>) {
    let _ = addr.send(7).await;
}

fn main() {
    let _ = send;
}
