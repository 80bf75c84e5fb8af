use ws_core::prelude::*;

#[websocket(
    path = "chat",
    idle_timout = 60s,
    max_message_size = 64KB,
    unhandled = maybe,
    origins = ["https://example.com/app"],
    subprotocols = ["chat v1"],
    mailbox = 0,
    mailbox = 10,
    validate_utf8,
)]
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
