use ws_core::Messages;

#[derive(Messages, serde::Serialize)]
enum Event {}

fn main() {
    let _ = Event::NAMES;
}
