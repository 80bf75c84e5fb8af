use ws_core::prelude::*;

struct Room;

#[websocket(path = "/{room}")]
struct Chat;

#[websocket]
impl Chat {
    #[on_upgrade]
    fn join(_: Path<Room>) -> Self {
        Self
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
