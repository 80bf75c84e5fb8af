use ws_core::prelude::*;

use std::rc::Rc;

struct Said(Rc<str>);

impl FromText<'_> for Said {
    fn from_text(text: &str) -> Result<Self, DecodeError> {
        Ok(Self(text.into()))
    }
}

#[websocket(path = "/")]
#[derive(Default)]
struct Chat;

#[websocket]
impl Chat {
    #[on_text]
    async fn said(&mut self, _: Said) {}
}

fn main() {
    let _: Router = Router::new().mount::<Chat>();
}
