//! Memory of an idle connection: its task is as large as the largest state of the task's future.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::connections::ConnectionPermit;
use crate::context::Context as Cx;
use crate::driver::run;
use crate::handler::Handler;
use crate::prelude::*;
use crate::worker::Socket;

/// Declares a handler without fields and with these methods.
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

/// Returns the bytes of a connection's task over a tokio socket, over a worker's socket, and of the session on
/// the heap.
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

/// Maximum of the three sizes without the handler, on a 64-bit machine.
///
/// Tokio adds 104 bytes and rounds up to a multiple of 128, so a task of 152 bytes costs as much as a task of 25. The
/// session of a handler with async methods has a lock. With the feature `metrics`, the state has two counts and a pointer
/// to the metrics of the handler.
const MAX_SIZES: [usize; 3] = [144, 120, if cfg!(feature = "metrics") { 296 } else { 272 }];

/// A handler with fields.
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
fn task_size_does_not_depend_on_the_methods() {
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
    let table: String = all.iter().map(|(name, sizes)| format!("{name:>30} {sizes:?}\n")).collect();
    let fits = |sizes: &[usize; 3]| sizes.iter().zip(MAX_SIZES).all(|(&size, max)| size <= max);
    assert!(all.iter().all(|(_, sizes)| fits(sizes)), "more than {MAX_SIZES:?}:\n{table}");
}

#[test]
fn handler_is_stored_once_in_its_task() {
    let ([task, worker, state], [base_task, base_worker, base_state]) =
        (sizes::<Stateful>(), sizes::<Async>());
    assert_eq!((task - base_task, worker - base_worker, state - base_state), (64, 64, 0));
}
