use ws_core::prelude::*;

use std::rc::Rc;

#[websocket(path = "/")]
struct Chat;

#[websocket]
impl Chat {
    #[on_upgrade]
    async fn join() -> Self {
        let shared = Rc::new(7);
        tokio::task::yield_now().await;
        drop(shared);
        Self
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
