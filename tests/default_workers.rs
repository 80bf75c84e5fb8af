//! The threads that run connections if the program does not call `Router::workers`.

#[path = "spans/recorder.rs"]
mod recorder;

use std::future::Future;
use std::time::Duration;

use recorder::Lines;
use tests::{Client, Server, start};
use tokio::runtime::{Builder, Runtime};
use tracing::Level;
use ws_core::prelude::*;

fn thread() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

/// Handler without async methods, which uses the context of the runtime.
#[websocket(path = "/sync")]
#[derive(Default)]
struct Plain;

#[websocket]
impl Plain {
    #[on_text]
    fn text(&mut self, _: &str, cx: &mut Context<Self>) -> String {
        let addr = cx.addr();
        tokio::spawn(async move { addr.send(Spawned(thread())) });
        thread()
    }

    #[on_binary]
    fn block(&mut self, _: &[u8]) -> &'static str {
        std::thread::sleep(Duration::from_millis(250));
        "done"
    }

    #[on_info]
    fn spawned(&mut self, Spawned(name): Spawned) -> String {
        name
    }
}

struct Spawned(String);

#[websocket(path = "/async")]
#[derive(Default)]
struct Waiting;

#[websocket]
impl Waiting {
    #[on_text]
    async fn text(&mut self, _: &str) -> String {
        tokio::time::sleep(Duration::from_millis(1)).await;
        thread()
    }
}

fn several_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).thread_name("several").enable_all().build().unwrap()
}

/// Runs a test with a server.
fn run<F: Future<Output = ()>>(runtime: &Runtime, router: Router, test: impl FnOnce(Server) -> F) {
    runtime.block_on(async { test(start(router).await).await });
}

fn app() -> Router {
    Router::new().mount::<Plain>().mount::<Waiting>()
}

/// Returns the name of the thread that runs a method.
async fn thread_of(client: &mut Client) -> String {
    client.send("where").await;
    client.text().await
}

#[test]
fn sync_handlers_run_on_workers_and_async_ones_on_the_runtime() {
    run(&several_threads(), app(), async |server| {
        for _ in 0..3 {
            let mut client = server.connect("/sync").await;
            assert!(thread_of(&mut client).await.starts_with("ws-worker-"));
            assert_eq!(client.text().await, "several", "tasks of methods are on the runtime");
            assert_eq!(thread_of(&mut server.connect("/async").await).await, "several");
        }
    });
}

#[test]
fn no_workers_run_connections_if_the_program_turns_them_off() {
    run(&several_threads(), app().workers(0), async |server| {
        assert_eq!(thread_of(&mut server.connect("/sync").await).await, "several");
    });
}

#[test]
fn workers_that_the_program_asks_for_run_all_connections() {
    run(&several_threads(), app().workers(1), async |server| {
        assert_eq!(thread_of(&mut server.connect("/sync").await).await, "ws-worker-0");
        assert_eq!(thread_of(&mut server.connect("/async").await).await, "ws-worker-0");
    });
}

#[test]
fn runtime_with_one_thread_has_no_workers() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let own = thread();
    run(&runtime, app(), async |server| {
        assert_eq!(thread_of(&mut server.connect("/sync").await).await, own);
    });
}

#[test]
fn method_that_holds_its_worker_is_logged_once() {
    let lines = Lines::default();
    tracing::subscriber::set_global_default(lines.subscriber(Level::WARN)).unwrap();
    run(&several_threads(), app(), async |server| {
        for _ in 0..2 {
            let mut client = server.connect("/sync").await;
            assert!(thread_of(&mut client).await.starts_with("ws-worker-"));
            client.text().await;
            client.send(vec![0; 4]).await;
            assert_eq!(client.text().await, "done");
            // The worker has compared its clock before it handles the next message.
            client.send("again").await;
            client.text().await;
            client.text().await;
        }
    });
    let is_stall = |line: &&String| line.contains("held the thread");
    let stalls: Vec<_> = lines.take().iter().filter(is_stall).cloned().collect();
    assert_eq!(stalls.len(), 1, "{stalls:?}");
    assert!(stalls[0].contains("handler=default_workers::Plain method=block"), "{stalls:?}");
}
