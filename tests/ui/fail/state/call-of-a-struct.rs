use ws_core::JsonRpc;
use ws_core::prelude::*;

#[websocket(path = "/", envelope = JsonRpc)]
#[derive(Default)]
struct Chat {
    guest: Guest,
}

#[derive(Default)]
struct Guest;

#[websocket]
impl Chat {
    #[on_call]
    fn login(_: &mut Guest, name: String) -> String {
        name
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
    let Chat { guest: Guest } = Chat::default();
}
