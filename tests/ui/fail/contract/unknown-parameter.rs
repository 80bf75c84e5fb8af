use ws_core::prelude::*;

#[websocket(path = "/echo")]
#[derive(Default)]
struct Echo;

#[websocket(contract(close_codes = [(4401, "log in first")]))]
impl Echo {
    #[on_text]
    fn echo(&mut self, text: String) -> String {
        text
    }
}

fn main() {
    let _: Router = Router::new().mount::<Echo>();
}
