use ws_core::Messages;

#[derive(Messages, serde::Serialize)]
enum Event {
    #[message = "price"]
    Price(f64),
}

fn main() {
    let _ = Event::NAMES;
}
