use ws_core::prelude::*;

#[websocket(path = "/")]
enum Chat {
    Member(Member),
    Admin(Member),
}

struct Member;

impl Default for Chat {
    fn default() -> Self {
        Self::Member(Member)
    }
}

#[websocket]
impl Chat {
    #[on_text]
    fn said(_: &mut Member, _: &str) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
