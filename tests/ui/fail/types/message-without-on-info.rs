use ws_core::prelude::*;

struct Price(u32);

struct Weather;

#[websocket(path = "/")]
#[derive(Default)]
struct Prices;

#[websocket]
impl Prices {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.send_after(Duration::from_secs(1), Weather);
    }

    #[on_info]
    fn price(&mut self, Price(price): Price) -> String {
        price.to_string()
    }
}

fn send(addr: &Addr<Prices>) {
    let _ = addr.send(Weather);
}

fn main() {
    let _ = send;
}
