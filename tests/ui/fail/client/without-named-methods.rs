use ws_core::prelude::*;

#[websocket]
#[derive(Default)]
struct Board;

#[websocket(client = pub BoardClient)]
impl Board {
    #[on_text]
    fn text(&mut self, _: &str) {}
}

fn main() {
    let _: Router = Router::new().mount_at::<Board>("/");
}
