use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_lagged]
    fn lagged(&mut self, missed: usize) -> String {
        missed.to_string()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
