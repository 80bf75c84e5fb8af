use ws_core::prelude::*;

#[websocket(path = "/echo", contract(version = 2))]
#[derive(Default)]
struct Echo;

#[websocket]
impl Echo {
    #[on_text]
    fn echo(&mut self, text: String) -> String {
        text
    }
}

fn main() {
    let _: Router = Router::new().mount::<Echo>();
}
