//! Server for the measuring scripts: a text echo on one thread, over TLS if the second argument is `--tls`.

use ws_core::prelude::*;

/// Handshake timeout, long enough for thousands of clients at once.
const IDLE: Duration = Duration::from_secs(600);

#[websocket(path = "/", idle_timeout = IDLE)]
#[derive(Default)]
struct Echo;

#[websocket]
impl Echo {
    #[on_text]
    fn text<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }
}

/// Echo with a mailbox and an async method.
#[websocket(path = "/async", idle_timeout = IDLE)]
#[derive(Default)]
struct AsyncEcho;

struct Note;

#[websocket]
impl AsyncEcho {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.addr();
    }

    #[on_text]
    async fn text(&mut self, text: String) -> String {
        text
    }

    #[on_info]
    fn note(&mut self, _: Note) {}
}

/// Defines compressed text echoes with different memory parameters.
macro_rules! compressed {
    ($($name:ident at $path:literal $options:tt)*) => {$(
        #[websocket(path = $path, idle_timeout = IDLE, compress $options)]
        #[derive(Default)]
        struct $name;

        #[websocket]
        impl $name {
            #[on_text]
            fn text<'a>(&mut self, text: &'a str) -> &'a str {
                text
            }
        }
    )*};
}

compressed! {
    Wide at "/15-8" (min_size = 0)
    Middle at "/12-5" (server_max_window_bits = 12, mem_level = 5, min_size = 0)
    Narrow at "/9-1" (server_max_window_bits = 9, mem_level = 1, min_size = 0)
    Inflates at "/inflate" (min_size = 1GiB)
    Forgets at "/alone" (server_no_context_takeover, client_no_context_takeover, min_size = 0)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ws_core::BoxError> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let router = Router::new().mount::<Echo>().mount::<AsyncEcho>();
    let router = router.mount::<Wide>().mount::<Middle>().mount::<Narrow>();
    let router = router.mount::<Inflates>().mount::<Forgets>();
    if std::env::args().nth(2).as_deref() == Some("--tls") {
        let listener = tokio::net::TcpListener::bind(addr).await?;
        router.serve_tls_listener(listener, tests::self_signed()?, std::future::pending()).await?;
    } else {
        router.serve(addr).await?;
    }
    Ok(())
}
