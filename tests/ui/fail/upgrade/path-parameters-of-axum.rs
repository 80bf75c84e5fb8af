use axum::extract::RawPathParams;
use ws_core::prelude::*;

#[websocket(path = "/{room}")]
struct Chat(String);

#[websocket]
impl Chat {
    #[on_upgrade]
    fn join(params: RawPathParams) -> Self {
        Self(params.iter().map(|(_, value)| value).collect())
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
