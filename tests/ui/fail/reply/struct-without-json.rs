use ws_core::prelude::*;

struct Said;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn said(&mut self, _: &str) -> Said {
        Said
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
