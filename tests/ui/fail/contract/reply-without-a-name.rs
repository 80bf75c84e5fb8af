use ws_core::prelude::*;

#[websocket(path = "/weather")]
#[derive(Default)]
struct Weather;

#[websocket(contract)]
impl Weather {
    #[on_open]
    fn open(&mut self) -> impl IntoReply {
        "sunny"
    }
}

fn main() {
    let _: Router = Router::new().mount::<Weather>();
}
