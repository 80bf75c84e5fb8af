use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_lagged]
    async fn lagged(&mut self, cx: &mut Context<Self>, missed: String) {
        cx.send(missed);
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
