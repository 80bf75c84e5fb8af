//! This project with every attribute in use, which shows the cost of unused features of a handler.

use ws_core::prelude::*;

use super::ws_core::run;

#[websocket(idle_timeout = 5m, ping_interval = 1m)]
#[derive(Default)]
struct Busy {
    opened: bool,
    notes: u64,
    ticks: u64,
    addr: Option<Addr<Self>>,
}

struct Note;

#[websocket]
impl Busy {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        self.opened = true;
        self.addr = Some(cx.addr());
    }

    #[on_text]
    fn text<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }

    #[on_binary]
    fn binary<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        bytes
    }

    #[on_info]
    fn note(&mut self, _: Note) {
        self.notes += 1;
    }

    #[every(1s)]
    fn tick(&mut self) {
        self.ticks += 1;
    }

    #[on_close]
    fn close(&mut self, _: &CloseReason) {
        self.opened = false;
    }
}

pub(super) async fn serve(addr: &str) -> std::io::Result<()> {
    run(Router::new().mount_at::<Busy>("/"), addr).await
}
