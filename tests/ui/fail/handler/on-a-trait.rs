use ws_core::prelude::*;

#[websocket]
trait Chat {
    fn said(&mut self, text: &str);
}

impl Chat for u8 {
    fn said(&mut self, _: &str) {}
}

fn main() {
    7.said("still there");
}
