//! This project as a producer that is faster than its client, with and without `unsent_limit`.

use bytes::Bytes;
use ws_core::UnsentLimit;
use ws_core::prelude::*;

use super::ws_core::run;

/// A handler that sends as many messages as the client requested, as fast as the client reads.
#[websocket]
#[derive(Default)]
struct Producer {
    message: Bytes,
    left: usize,
}

#[websocket]
impl Producer {
    #[on_upgrade]
    fn make(State(limit): State<UnsentLimit>) -> Upgrade<Self> {
        Upgrade::new(Self::default()).options(|options| options.unsent_limit = limit)
    }

    /// Takes the size of a message, and the number of messages.
    #[on_text]
    fn start(&mut self, request: &str, cx: &mut Context<Self>) {
        let mut numbers = request.split(' ').map(|number| number.parse().unwrap_or(0));
        self.message = vec![0; numbers.next().unwrap_or(0)].into();
        self.left = numbers.next().unwrap_or(0);
        self.fill(cx);
    }

    #[on_drain]
    fn fill(&mut self, cx: &mut Context<Self>) {
        while self.left > 0 && cx.buffered() < 64 << 10 {
            cx.send(self.message.clone());
            self.left -= 1;
        }
    }
}

pub(super) async fn serve(limit: UnsentLimit, addr: &str) -> std::io::Result<()> {
    run(Router::new().mount_at::<Producer>("/").with_state(limit), addr).await
}
