use ws_core::prelude::*;

#[derive(serde::Deserialize)]
struct Who<'a> {
    _name: &'a str,
}

#[websocket(path = "/")]
struct Chat;

#[websocket]
impl Chat {
    #[on_upgrade]
    fn join(_: Query<Who<'_>>) -> Self {
        Self
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
