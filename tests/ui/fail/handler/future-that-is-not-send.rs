use ws_core::prelude::*;

use std::rc::Rc;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    async fn said(&mut self, text: &str) -> String {
        let shared = Rc::new(text.to_owned());
        tokio::task::yield_now().await;
        shared.len().to_string()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
