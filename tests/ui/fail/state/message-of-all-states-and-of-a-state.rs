use ws_core::JsonRpc;
use ws_core::prelude::*;

#[websocket(path = "/", envelope = JsonRpc)]
enum Chat {
    Guest(Guest),
    Member(Member),
}

struct Guest;
struct Member;

#[websocket]
impl Chat {
    #[on_upgrade]
    fn join() -> Guest {
        Guest
    }

    #[on_message]
    fn typing(&mut self) {}

    #[on_call]
    fn login(_: &mut Guest) -> Goto<Member> {
        Goto(Member)
    }

    #[on_message("typing")]
    fn guest(_: &mut Guest, _room: &str) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
