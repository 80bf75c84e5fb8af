use ws_core::prelude::*;

#[websocket]
fn chat() {}

#[websocket]
impl Iterator for Chat {
    type Item = ();

    fn next(&mut self) -> Option<()> {
        None
    }
}

#[websocket(path = "/")]
struct Chat;

#[websocket(path = "/")]
impl Chat {}

#[websocket]
struct Borrows<'a>(&'a str);

fn main() {
    chat();
    let _ = Borrows("");
}
