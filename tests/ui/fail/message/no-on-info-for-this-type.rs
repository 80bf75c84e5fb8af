use ws_core::prelude::*;

struct Price(u32);

struct Weather;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_info]
    fn price(&mut self, Price(price): Price) -> String {
        price.to_string()
    }
}

fn send(addr: &Addr<Chat>) {
    let _ = addr.send(Price(1));
    let _ = addr.send(Weather);
}

fn main() {
    let _ = send;
}
