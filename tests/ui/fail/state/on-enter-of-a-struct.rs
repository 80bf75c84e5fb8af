use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

struct Guest;
struct Member;

#[websocket]
impl Chat {
    #[on_text]
    fn text(&mut self, _: &str) {}

    #[on_enter]
    fn entered(_: &mut Guest) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
