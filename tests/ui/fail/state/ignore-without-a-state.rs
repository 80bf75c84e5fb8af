use ws_core::prelude::*;

#[websocket(path = "/")]
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

    #[on_text]
    fn login(_: &mut Guest, _: &str) -> Goto<Member> {
        Goto(Member)
    }

    #[on_binary(ignore)]
    fn bytes(_: &mut Member, _: &[u8]) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
