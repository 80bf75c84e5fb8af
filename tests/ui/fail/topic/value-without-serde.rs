use ws_core::prelude::*;

struct Tick(std::time::Instant);

fn main() {
    let ticks = Hub::local().topic::<Tick>("ticks");
    let _ = ticks.publish(Tick(std::time::Instant::now()));
}
