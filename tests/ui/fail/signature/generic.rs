use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    fn said<T: From<String>>(&mut self, text: String) {
        let _ = T::from(text);
    }
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
