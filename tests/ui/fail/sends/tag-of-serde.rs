use ws_core::Messages;

#[derive(Messages, serde::Serialize)]
#[serde(tag = "type")]
enum Event {
    Price { amount: f64 },
}

fn main() {
    let _ = Event::NAMES;
}
