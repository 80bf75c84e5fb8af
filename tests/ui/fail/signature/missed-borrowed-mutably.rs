use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_lagged]
    async fn lagged(&mut self, missed: &mut u64) -> String {
        missed.to_string()
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
