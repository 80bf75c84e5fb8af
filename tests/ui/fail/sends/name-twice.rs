use ws_core::Messages;

#[derive(Messages, serde::Serialize)]
enum Event {
    Price(f64),
    #[message("price")]
    Amount(f64),
}

fn main() {
    let _ = Event::NAMES;
}
