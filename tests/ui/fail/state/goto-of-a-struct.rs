use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

struct Guest;
struct Member;

#[websocket]
impl Chat {
    #[on_text]
    fn login(&mut self, _: &str) -> Goto<Member> {
        Goto(Member)
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
