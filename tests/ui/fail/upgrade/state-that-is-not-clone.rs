use ws_core::prelude::*;

struct Hub;

#[websocket(path = "/")]
struct Chat;

#[websocket]
impl Chat {
    #[on_upgrade]
    fn join(_: State<Hub>) -> Self {
        Self
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>().with_state(Hub);
}
