//! What a connection weighs while it waits: its task is as large as the largest of what it does.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::connections::ConnectionPermit;
use crate::context::Context as Cx;
use crate::driver::run;
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
    fn future<H: Handler, T, F>(_: fn(H, Cx<H>, T, Option<ConnectionPermit>) -> F) -> usize {
        size_of::<F>()
    }
    [
        future::<H, TcpStream, _>(run::<H, TcpStream>),
        future::<H, Socket, _>(run::<H, Socket>),
        Cx::<H>::STATE_SIZE,
    ]
}

/// What they may be at the most beside the handler, on a machine of 64 bits; an optimised build has less: 144
/// and 136 for the tasks. The runtime rounds its tasks up to 128 bytes, 104 of its own among them, so that
/// one of 152 costs as much as one of 25. The state of handlers that have async methods has a lock.
const MOST: [usize; 3] = [160, 144, 336];

/// One that has something to itself.
#[websocket]
#[derive(Default)]
struct Stateful([u64; 8]);

#[websocket]
impl Stateful {
    #[on_text]
    async fn text(&mut self, text: String) -> String {
        self.0[0] += 1;
        text
    }
}

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

#[test]
fn handler_is_in_its_task_once() {
    let ([task, worker, state], [base_task, base_worker, base_state]) =
        (sizes::<Stateful>(), sizes::<Async>());
    assert_eq!((task - base_task, worker - base_worker, state - base_state), (64, 64, 0));
}
