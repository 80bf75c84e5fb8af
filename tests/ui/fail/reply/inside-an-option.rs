use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    async fn said(&mut self, _: &str) -> Option<char> {
        None
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
