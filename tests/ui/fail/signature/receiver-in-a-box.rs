use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_open]
    async fn open(self: Box<Self>) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
