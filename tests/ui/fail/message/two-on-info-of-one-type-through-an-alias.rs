use ws_core::prelude::*;

struct Price(u32);

type Cost = Price;

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
    fn other(&mut self, _: Cost) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
