//! A server with an inspector and its own clients: `interop-inspector 127.0.0.1:PORT [CONNECTIONS]`. `inspector.py` beside this
//! file opens the page. `/_ws` admits clients of this machine, `/_look` clients with a query that begins with `look`.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{SinkExt, StreamExt};
use hyper::http::request::Parts;
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message as ClientMessage;
use ws_core::inspect::{Inspector, Permission, Shown};
use ws_core::prelude::*;
use ws_core::{BoxError, Router, TagError};

/// Clients in a room.
const ROOM: usize = 25;

/// The text of a client whose messages and tags try to be HTML.
const HOSTILE: &str = "<img src=x onerror=pwned=1>";

#[websocket(path = "/rooms/{room}", overflow = drop_oldest, max_message_size = 4KiB, ping_interval = 20s)]
struct Guest {
    room: Topic<String>,
    number: usize,
}

#[websocket]
impl Guest {
    #[on_upgrade]
    fn join(Path(room): Path<String>, State(hub): State<Hub>) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { room: hub.topic(format!("room:{room}")).history(64), number }
    }

    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) -> Result<(), TagError> {
        cx.tag(&format!("user:{}", self.number / 2))?;
        cx.tag(self.room.name())?;
        if self.number.is_multiple_of(7) {
            cx.tag("plan:pro")?;
        }
        if self.number == 3 {
            cx.tag(HOSTILE)?;
        }
        cx.join(&self.room, &format!("guest {}", self.number));
        cx.forward(&self.room);
        Ok(())
    }

    #[on_text]
    fn text(&mut self, text: String) -> Result<(), PublishError> {
        self.room.publish(text)?;
        Ok(())
    }
}

/// Handler that sends a price ten times a second.
#[websocket(path = "/prices", compress, subprotocols = ["prices.v1"])]
#[derive(Default)]
struct Prices(u64);

#[websocket]
impl Prices {
    #[every(100ms)]
    fn tick(&mut self) -> Vec<u8> {
        self.0 += 1;
        self.0.to_be_bytes().repeat(8)
    }
}

/// Handler that answers after a minute.
#[websocket(path = "/reports", max_message_rate = 10, idle_timeout = 5m)]
#[derive(Default)]
struct Reports;

#[websocket]
impl Reports {
    #[on_text]
    async fn report(&mut self, text: String) -> String {
        tokio::time::sleep(Duration::from_secs(60)).await;
        text
    }
}

/// A client that sends a text in intervals and reads what arrives.
async fn client(addr: String, path: String, text: String, every: Option<Duration>) -> Result<(), BoxError> {
    let stream = TcpStream::connect(&addr).await?;
    let mut request = tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(
        format!("ws://{addr}{path}"),
    )?;
    if path == "/prices" {
        request.headers_mut().insert("sec-websocket-protocol", "prices.v1".parse()?);
    }
    let (mut socket, _) = client_async(request, stream).await?;
    let mut ticks = tokio::time::interval(every.unwrap_or(Duration::from_secs(3600)));
    loop {
        tokio::select! {
            message = socket.next() => if message.is_none_or(|message| message.is_err()) { return Ok(()) },
            _ = ticks.tick() => socket.send(ClientMessage::text(&text)).await?,
        }
    }
}

#[tokio::main]
async fn main() -> ws_core::Result<()> {
    let mut args = std::env::args().skip(1);
    let addr = args.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let count: usize = args.next().map_or(200, |count| count.parse().expect("a number of connections"));
    let hub = Hub::local();
    let guard = |request: &Parts| match request.uri.query() {
        Some(query) if query.starts_with("look") => Permission::Look,
        _ => Permission::Deny,
    };
    let local = Inspector::local().hub("main", &hub).messages(|message| match message.text() {
        Some(text) => Shown::Text(text.replace("secret", "······")),
        None => Shown::Whole,
    });
    let router = Router::new().mount::<Guest>().mount::<Prices>().mount::<Reports>();
    let router = router.inspect("/_ws", local).inspect("/_look", guard).with_state(hub);
    let server = addr.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        for number in 0..count {
            let (path, text, every) = match number % 20 {
                3 => ("/prices".to_owned(), "", None),
                7 => ("/reports".to_owned(), "monthly", None),
                _ => {
                    let text = if number == 4 { HOSTILE } else { r#"{"line":"hello","token":"secret"}"# };
                    (
                        format!("/rooms/{}", number / ROOM),
                        text,
                        Some(Duration::from_millis(700 + 61 * (number as u64 % 97))),
                    )
                }
            };
            // Some clients of rooms only read.
            let every = every.filter(|_| number < 400 && !number.is_multiple_of(3));
            tokio::spawn(client(server.clone(), path, text.to_owned(), every));
            if number % 50 == 49 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    });
    router.serve(addr).await
}
