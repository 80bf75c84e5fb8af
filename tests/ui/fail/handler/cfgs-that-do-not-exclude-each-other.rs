use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[cfg(all())]
    #[on_text]
    fn one(&mut self, _: &str) {}

    #[cfg(not(windows))]
    #[on_text]
    fn two(&mut self, _: &str) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
