use ws_core::prelude::*;

use std::cell::RefCell;
use std::rc::Rc;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat {
    log: Rc<RefCell<Vec<String>>>,
}

#[websocket]
impl Chat {
    #[on_text]
    fn said(&mut self, text: &str) -> String {
        self.log.borrow_mut().push(text.to_owned());
        String::new()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
