//! What a connection weighs while it waits: its task is as large as the largest of what it does.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::context::{Context as Cx, Session};
use crate::driver::{Ticket, run};
use crate::handler::Handler;
use crate::prelude::*;
use crate::worker::Socket;

/// A handler with some methods; all of the same size, which is none.
macro_rules! handlers {
    ($($name:ident { $($methods:tt)* })*) => {$(
        #[websocket]
        #[derive(Default)]
        struct $name;

        #[websocket]
        impl $name { $($methods)* }
    )*};
}

handlers! {
    Open {
        #[on_open]
        fn open(&mut self) {}
    }
    Sync {
        #[on_text]
        fn text(&mut self, text: String) -> String { text }
    }
    Async {
        #[on_text]
        async fn text(&mut self, text: String) -> String { text }
    }
    Info {
        #[on_info]
        fn info(&mut self, _: u8) {}
    }
    Every {
        #[every(1s)]
        fn tick(&mut self) {}
    }
    AsyncClose {
        #[on_close]
        async fn close(&mut self, _: &CloseReason) { sleep(Duration::ZERO).await }
    }
    Large {
        #[on_info]
        async fn info(&mut self, large: [u8; 10_000]) -> String {
            sleep(Duration::ZERO).await;
            large.len().to_string()
        }
    }
    All {
        #[on_open]
        async fn open(&mut self) {}
        #[on_text]
        async fn text(&mut self, text: String) -> String { text }
        #[on_binary]
        fn binary(&mut self, _: &[u8]) {}
        #[on_ping]
        fn ping(&mut self) {}
        #[on_pong]
        fn pong(&mut self) {}
        #[on_info]
        async fn info(&mut self, _: u64) {}
        #[every(1s)]
        async fn tick(&mut self) {}
        #[on_error]
        async fn error(&mut self, _: &HandlerError) {}
        #[on_close]
        async fn close(&mut self, _: &CloseReason) {}
    }
}

/// The bytes of a connection's task over a socket of the runtime's and over one of a worker's, and of the
/// state beside it, on the heap.
fn sizes<H: Handler>() -> [usize; 3] {
    fn future<H: Handler, T, F>(_: fn(H, Cx<H>, T, Option<Ticket>) -> F) -> usize {
        size_of::<F>()
    }
    [
        future::<H, TcpStream, _>(run::<H, TcpStream>),
        future::<H, Socket, _>(run::<H, Socket>),
        size_of::<Session<H>>(),
    ]
}

/// What they may be at the most, on a machine of 64 bits; an optimised build has less. The runtime rounds
/// its tasks up to 128 bytes, 104 of its own among them, so that one of 408 costs as much as one of 281.
const MOST: [usize; 3] = [424, 408, 496];

#[test]
#[cfg(target_pointer_width = "64")]
fn connection_is_small_whatever_its_methods() {
    let all = [
        ("on_open", sizes::<Open>()),
        ("on_text", sizes::<Sync>()),
        ("async on_text", sizes::<Async>()),
        ("on_info", sizes::<Info>()),
        ("every", sizes::<Every>()),
        ("async on_close", sizes::<AsyncClose>()),
        ("async on_info of 10,000 bytes", sizes::<Large>()),
        ("all of them", sizes::<All>()),
    ];
    let table: String = all.iter().map(|(what, sizes)| format!("{what:>30} {sizes:?}\n")).collect();
    let fits = |sizes: &[usize; 3]| sizes.iter().zip(MOST).all(|(&size, most)| size <= most);
    assert!(all.iter().all(|(_, sizes)| fits(sizes)), "more than {MOST:?}:\n{table}");
}
