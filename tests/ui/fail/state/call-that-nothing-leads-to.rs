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

    #[on_call]
    fn status(_: &mut Guest) {}

    #[on_call]
    fn say(_: &mut Member) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
