use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn number(&mut self, _: &str) -> u32 {
        7
    }

    #[on_binary]
    async fn nested(&mut self, _: &[u8]) -> Option<char> {
        None
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
