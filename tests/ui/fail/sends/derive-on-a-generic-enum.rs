use ws_core::Messages;

#[derive(Messages, serde::Serialize)]
enum Event<T> {
    Price(T),
}

impl Event<u8> {
    const NAMES: [&str; 1] = ["price"];
}

fn main() {
    let _ = Event::NAMES;
}
