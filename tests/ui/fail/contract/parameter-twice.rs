use ws_core::prelude::*;

#[websocket(path = "/echo")]
#[derive(Default)]
struct Echo;

#[websocket(contract(version = 2, version = 3))]
impl Echo {
    #[on_text]
    fn echo(&mut self, text: String) -> String {
        text
    }
}

fn main() {
    let _: Router = Router::new().mount::<Echo>();
}
