use ws_core::prelude::*;

use std::cell::Cell;
use std::sync::Arc;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_info]
    fn price(&mut self, price: Arc<Cell<u32>>) -> String {
        price.get().to_string()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
