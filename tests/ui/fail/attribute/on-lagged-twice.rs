use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_lagged]
    fn first(&mut self, _: u64) {}

    #[on_lagged]
    async fn second(&mut self) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
