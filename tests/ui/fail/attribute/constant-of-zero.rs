use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Ticker;

const NEVER: Duration = Duration::ZERO;

#[websocket]
impl Ticker {
    #[every(NEVER)]
    fn tick(&mut self) {}
}

fn main() {
    let _: Router = Router::new().mount::<Ticker>();
}
