use ws_core::prelude::*;

struct Price(u32);

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_info]
    fn price(&mut self, _: &mut Price) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
