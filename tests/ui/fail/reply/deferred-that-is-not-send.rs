//! A future that belongs to the connection runs on any thread of the runtime.

use std::rc::Rc;

use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn text(&mut self, text: String) -> Deferred<String> {
        let text = Rc::new(text);
        Deferred::new(async move {
            std::future::ready(()).await;
            text.to_uppercase()
        })
    }
}

fn main() {}
