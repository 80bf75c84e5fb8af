//! The option `compress`, in every form.

use ws_core::prelude::*;

#[websocket(path = "/plain", compress)]
#[derive(Default)]
struct Plain;

#[websocket]
impl Plain {
    #[on_text]
    fn said(&mut self, _: &str) {}
}

const LEVEL: u8 = 1;
const SMALL: usize = 100;
const ALONE: bool = true;

#[websocket(compress(
    level = LEVEL,
    mem_level = 5,
    server_max_window_bits = 9,
    client_max_window_bits = (15),
    server_no_context_takeover = ALONE,
    client_no_context_takeover,
    min_size = SMALL,
), path = "/all")]
#[derive(Default)]
struct All<T: Default + Send + 'static>(T);

#[websocket]
impl<T: Default + Send + 'static> All<T> {
    #[on_text]
    fn said(&mut self, _: &str, cx: &mut Context<Self>) {
        cx.set_compress(false);
    }
}

#[websocket(path = "/sizes", compress(min_size = 1KiB))]
#[derive(Default)]
struct Sizes;

#[websocket]
impl Sizes {
    #[on_text]
    fn said(&mut self, _: &str) {}
}

#[websocket(path = "/never", compress(min_size = 0, client_no_context_takeover = false), mailbox = 3)]
#[derive(Default)]
struct Never;

#[websocket]
impl Never {
    #[on_text]
    fn said(&mut self, _: &str) {}
}

fn main() {
    let _: Router = Router::new().mount::<Plain>().mount::<All<u8>>().mount::<Sizes>().mount::<Never>();
}
