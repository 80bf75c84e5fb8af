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

    #[on_text]
    fn said(member: &Member, text: &str) -> String {
        let _ = member;
        text.to_owned()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
