use ws_core::JsonRpc;
use ws_core::prelude::*;

#[websocket(path = "/", envelope = JsonRpc)]
enum Chat {
    Guest(Guest),
    Member(Member),
}

struct Guest;
struct Member;

struct Broken;

#[websocket]
impl Chat {
    #[on_upgrade]
    fn join() -> Guest {
        Guest
    }

    #[on_call]
    fn login(_: &mut Guest, name: String) -> (String, Goto<Member>) {
        (name, Goto(Member))
    }

    #[on_call]
    fn leave(_: &mut Member) -> Result<(Broken, Goto<Guest>), ws_core::CallError> {
        Ok((Broken, Goto(Guest)))
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
