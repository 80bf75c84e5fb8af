use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
enum Chat {
    #[default]
    Guest,
    Member(Member),
}

struct Member;

#[websocket]
impl Chat {
    #[on_text]
    fn login(_: &mut Member, _: &str) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
