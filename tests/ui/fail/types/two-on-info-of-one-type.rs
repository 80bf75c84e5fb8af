use ws_core::prelude::*;

struct Price(u32);

#[websocket(path = "/")]
#[derive(Default)]
struct Prices;

#[websocket]
impl Prices {
    #[on_info]
    fn price(&mut self, _: Price) {}

    #[on_info]
    fn other(&mut self, Price(price): Price) -> String {
        price.to_string()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Prices>();
}
