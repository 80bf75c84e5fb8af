use ws_core::prelude::*;

#[websocket(path = "/")]
struct Chat {
    name: String,
}

#[websocket]
impl Chat {
    #[on_text]
    fn said(&mut self, _: &str) -> &str {
        &self.name
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
