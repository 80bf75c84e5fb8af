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

fn weather(addr: &Addr<Chat>) -> Recipient<Weather> {
    addr.recipient()
}

fn main() {
    let _ = weather;
}
