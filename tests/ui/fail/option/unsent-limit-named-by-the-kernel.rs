use ws_core::prelude::*;

#[websocket(path = "/", tcp_notsent_lowat = 16KiB)]
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
