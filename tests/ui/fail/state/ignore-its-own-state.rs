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

    #[on_text(ignore = Member)]
    fn said(_: &mut Member, text: &str) -> String {
        text.to_owned()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
