use ws_core::prelude::*;

#[websocket(path = "/")]
#[derive(Default)]
struct Chat<F>(F);

#[websocket]
impl<F> Chat<F>
where
    F: for<'a> Fn(&'a str) -> &'a str, {
    #[on_txt]
    fn said(&mut self, _: &str) {}
}

fn main() {
    let _ = Chat(str::trim);
}
