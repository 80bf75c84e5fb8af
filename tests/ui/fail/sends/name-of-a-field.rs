use ws_core::Messages;

#[derive(Messages, serde::Serialize)]
enum Event {
    Price {
        #[message("value")]
        amount: f64,
    },
}

fn main() {
    let _ = Event::NAMES;
}
