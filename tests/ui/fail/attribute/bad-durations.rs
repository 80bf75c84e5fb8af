use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Ticker;

const NEVER: Duration = Duration::ZERO;

#[websocket]
impl Ticker {
    #[every(0s)]
    fn zero(&mut self) {}

    #[every(5)]
    fn no_unit(&mut self) {}

    #[after(5sec)]
    fn unknown_unit(&mut self) {}

    #[after]
    fn nothing(&mut self) {}

    #[every(99999999999h)]
    fn overflow(&mut self) {}

    #[every("1s")]
    fn string(&mut self) {}
}

fn main() {
    let _: Router = Router::new().mount::<Ticker>();
}
