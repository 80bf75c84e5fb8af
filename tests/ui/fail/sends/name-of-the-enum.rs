use ws_core::Messages;

#[derive(Messages, serde::Serialize)]
#[message("event")]
enum Event {
    Price(f64),
}

fn main() {
    let _ = Event::NAMES;
}
