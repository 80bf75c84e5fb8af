use ws_core::prelude::*;

const BASE: Duration = Duration::from_secs(5);

#[websocket(path = "/", options = BASE, mailbox = 16)]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn said(&mut self, _: &str) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
