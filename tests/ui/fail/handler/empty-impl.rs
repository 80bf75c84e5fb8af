use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
