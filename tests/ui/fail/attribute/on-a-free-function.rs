use ws_core::prelude::*;

#[on_text]
fn said(_: &str) {}

fn main() {
    said("still there");
}
