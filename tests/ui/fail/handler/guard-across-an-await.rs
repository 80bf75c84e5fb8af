use ws_core::prelude::*;

use std::sync::{Arc, Mutex};

#[websocket(path = "/")]
#[derive(Default)]
struct Chat {
    log: Arc<Mutex<Vec<String>>>,
}

#[websocket]
impl Chat {
    #[on_text]
    async fn said(&mut self, text: &str) {
        let mut log = self.log.lock().unwrap();
        log.push(text.to_owned());
        tokio::task::yield_now().await;
        log.clear();
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
