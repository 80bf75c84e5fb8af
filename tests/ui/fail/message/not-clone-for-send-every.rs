use ws_core::prelude::*;

struct Price(u32);

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.send_every(Duration::from_secs(1), Price(1));
    }

    #[on_info]
    fn price(&mut self, Price(price): Price) -> String {
        price.to_string()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
