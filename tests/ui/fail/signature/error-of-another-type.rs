use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_error]
    fn failed(&mut self, _: &std::io::Error) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
