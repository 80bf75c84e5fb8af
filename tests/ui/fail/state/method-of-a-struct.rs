use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

struct Guest;
struct Member;

#[websocket]
impl Chat {
    #[on_text]
    fn login(guest: &mut Guest, _: &str) {
        let _ = guest;
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
