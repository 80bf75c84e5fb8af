use ws_core::Messages;

#[derive(Clone, Copy, Messages)]
union Event {
    price: f64,
}

impl Event {
    const NAMES: [&str; 1] = ["price"];
}

fn main() {
    let _ = Event::NAMES;
}
