use ws_core::prelude::*;

struct Weather;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn said(&mut self, _: &str) {}
}

fn send(addr: &Addr<Chat>) {
    let _ = addr.send(Weather);
}

fn main() {
    let _ = send;
}
