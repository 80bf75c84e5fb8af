use ws_core::JsonRpc;
use ws_core::prelude::*;

#[websocket(path = "/", envelope = JsonRpc)]
enum Chat {
    Guest(Guest),
    Member(Member),
}

struct Guest;
struct Member;

struct Stranger;

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
    async fn say(_: &mut Stranger, text: &str) -> usize {
        text.len()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
