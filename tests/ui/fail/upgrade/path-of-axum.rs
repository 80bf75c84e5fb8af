use axum::extract::Path;
use ws_core::prelude::*;

#[websocket(path = "/{room}")]
struct Chat(String);

#[websocket]
impl Chat {
    #[on_upgrade]
    fn join(Path(room): Path<String>) -> Self {
        Self(room)
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
