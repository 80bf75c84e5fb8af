use ws_core::Messages;

#[derive(Messages)]
enum Event {
    Price(f64),
}

fn main() {
    let _ = Event::Price(1.0);
}
