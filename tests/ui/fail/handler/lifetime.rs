use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat<'a> {
    name: &'a str,
}

#[websocket]
impl<'a> Chat<'a> {
    #[on_open]
    fn open(&mut self) -> String {
        self.name.to_owned()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
