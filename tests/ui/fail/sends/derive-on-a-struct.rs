use ws_core::Messages;

#[derive(Messages, serde::Serialize)]
struct Event {
    price: f64,
}

impl Event {
    const NAMES: [&str; 1] = ["price"];
}

fn main() {
    let _ = Event::NAMES;
}
