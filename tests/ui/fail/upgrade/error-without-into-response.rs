use ws_core::prelude::*;

#[websocket(path = "/")]
struct Chat;

#[websocket]
impl Chat {
    #[on_upgrade]
    fn join() -> Result<Self, std::io::Error> {
        Ok(Self)
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
