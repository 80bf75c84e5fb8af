use ws_core::prelude::*;

use std::rc::Rc;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_info]
    fn price(&mut self, price: Rc<str>) -> String {
        price.to_string()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
