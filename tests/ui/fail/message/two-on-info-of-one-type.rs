use ws_core::prelude::*;

struct Price(u32);

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_info]
    fn price(&mut self, Price(price): Price) -> String {
        price.to_string()
    }

    #[on_info]
    fn other(&mut self, _: Price) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
