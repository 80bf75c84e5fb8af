//! Handlers of all shapes, as users write them.

#![deny(warnings, missing_docs)]

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tests::{Server, serve, tungstenite};
use tungstenite::Message as Frame;
use ws_core::prelude::*;
use ws_core::{FromText, HandlerError, IntoReply, Replies};

/// Enum as a handler, with its own payload and reply types.
#[websocket(path = "/light")]
#[derive(Clone, Copy, Default)]
enum Light {
    #[default]
    Off,
    On,
}

enum Switch<'a> {
    To(Light),
    Unknown(&'a str),
}

impl<'a> FromText<'a> for Switch<'a> {
    fn from_text(text: &'a str) -> Result<Self, DecodeError> {
        Ok(match text {
            "on" => Self::To(Light::On),
            "off" => Self::To(Light::Off),
            other => Self::Unknown(other),
        })
    }
}

impl IntoReply for Light {
    fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        match self {
            Self::Off => to.binary(&[0]),
            Self::On => to.binary(&[1]),
        }
        Ok(())
    }
}

#[websocket]
impl Light {
    const NAME: &'static str = "light";

    #[on_text]
    fn switch(&mut self, switch: Switch<'_>) -> Result<Self, String> {
        match switch {
            Switch::To(light) => *self = light,
            Switch::Unknown(what) => return Err(format!("{}: {what}?", Self::NAME)),
        }
        Ok(*self)
    }

    #[on_error]
    fn error(&mut self, error: &HandlerError) -> String {
        error.to_string()
    }
}

#[tokio::test]
async fn enum_with_user_payload_and_reply() {
    let server = serve(Router::new().mount::<Light>()).await;
    let mut client = server.connect("/light").await;
    client.send("on").await;
    assert_eq!(client.next().await, Frame::binary(vec![1]));
    client.send("dim").await;
    assert_eq!(client.text().await, "light: dim?");
}

/// Generic handler with sync and async methods, const parameters and where clauses.
#[websocket]
struct Store<K, V, const N: usize>
where
    K: Ord,
{
    items: std::collections::BTreeMap<K, V>,
}

struct Put<K, V>(K, V);

impl<K: Ord, V, const N: usize> Default for Store<K, V, N> {
    fn default() -> Self {
        Self { items: std::collections::BTreeMap::new() }
    }
}

#[websocket]
impl<K, V, const N: usize> Store<K, V, N>
where
    K: Ord + Clone + Send + Sync + 'static + for<'de> Deserialize<'de>,
    V: Clone + Send + Sync + 'static + Serialize + for<'de> Deserialize<'de>,
{
    #[on_text]
    async fn get(&mut self, Json(key): Json<K>) -> Json<Option<V>> {
        tokio::task::yield_now().await;
        Json(self.items.get(&key).cloned())
    }

    #[on_binary]
    fn put(&mut self, Json((key, value)): Json<(K, V)>, cx: &mut Context<Self>) -> Option<&'static str> {
        if self.items.len() == N {
            return Some("full");
        }
        cx.addr().send(Put(key, value)).map_err(|_| "full").err()
    }

    #[on_info]
    fn stored(&mut self, Put(key, value): Put<K, V>) -> Json<usize> {
        self.items.insert(key, value);
        Json(self.items.len())
    }
}

#[tokio::test]
async fn generic_handler() {
    let server = serve(Router::new().mount_at::<Store<String, f64, 2>>("/store")).await;
    let mut client = server.connect("/store").await;
    for (put, answer) in [("[\"a\",1.5]", "1"), ("[\"b\",2]", "2"), ("[\"c\",3]", "full")] {
        client.send(Frame::binary(put.as_bytes().to_vec())).await;
        assert_eq!(client.text().await, answer);
    }
    client.send("\"a\"").await;
    assert_eq!(client.text().await, "1.5");
    client.send("\"z\"").await;
    assert_eq!(client.text().await, "null");
}

/// Handler that returns every kind of reply.
#[websocket(path = "/all", max_message_size = 64KiB)]
#[derive(Default)]
struct All(String);

#[websocket]
impl All {
    #[on_open]
    #[allow(clippy::type_complexity)]
    fn open(&mut self) -> (&str, String, [Option<Vec<u8>>; 2], Vec<Cow<'static, str>>) {
        self.0 = "borrowed".into();
        (&self.0, "owned".into(), [Some(vec![1]), None], vec!["cow".into(), String::from("calf").into()])
    }

    #[on_text]
    fn text(&mut self, text: Utf8Bytes) -> (Utf8Bytes, Message, Json<Arc<str>>, Arc<str>) {
        let shared: Arc<str> = text.as_str().into();
        (text, Message::binary(&b"m"[..]), Json(shared.clone()), shared)
    }

    #[on_binary]
    fn binary(&mut self, bytes: Bytes) -> (Bytes, &'static [u8; 2], Ping) {
        (bytes, b"ab", Ping::from("p"))
    }

    #[on_pong]
    async fn pong(&mut self, payload: &[u8], cx: &mut Context<Self>) -> Result<Pong, std::fmt::Error> {
        cx.send(format_args!("pong {}", payload.len()));
        Ok(Pong(Bytes::copy_from_slice(payload)))
    }

    #[on_ping]
    fn ping(&mut self, cx: &mut Context<Self>) {
        cx.send("pinged");
    }
}

#[tokio::test]
async fn sends_replies_of_all_kinds_in_order() {
    let server = serve(Router::new().mount::<All>()).await;
    let mut client = server.connect("/all").await;
    let expect = [
        Frame::text("borrowed"),
        Frame::text("owned"),
        Frame::binary(vec![1]),
        Frame::text("cow"),
        Frame::text("calf"),
    ];
    for frame in expect {
        assert_eq!(client.next().await, frame);
    }
    client.send("x").await;
    for frame in [Frame::text("x"), Frame::binary("m"), Frame::text("\"x\""), Frame::text("x")] {
        assert_eq!(client.next().await, frame);
    }
    client.send(Frame::binary("b")).await;
    for frame in [Frame::binary("b"), Frame::binary("ab"), Frame::Ping("p".into())] {
        assert_eq!(client.next().await, frame);
    }
    // The client answers pings automatically.
    assert_eq!(client.next().await, Frame::text("pong 1"));
    assert_eq!(client.next().await, Frame::Pong("p".into()));
    client.send(Frame::Ping("q".into())).await;
    assert_eq!(client.next().await, Frame::Pong("q".into()));
    assert_eq!(client.next().await, Frame::text("pinged"));
}

/// Handler that uses all inputs and outputs of `#[on_upgrade]`.
#[websocket(path = "/rooms/{room}/{seat}", subprotocols = ["v1"])]
struct Seat {
    about: String,
}

#[derive(Clone)]
struct Prices(Arc<HashMap<String, u32>>);

#[derive(Deserialize)]
struct Ticket {
    class: String,
}

#[websocket]
impl Seat {
    #[on_upgrade]
    async fn take(
        Path((room, seat)): Path<(String, u8)>,
        Query(ticket): Query<Ticket>,
        State(Prices(prices)): State<Prices>,
        method: axum::http::Method,
    ) -> Result<Upgrade<Self>, (StatusCode, String)> {
        tokio::task::yield_now().await;
        let price = prices.get(&ticket.class).ok_or((StatusCode::PAYMENT_REQUIRED, ticket.class))?;
        let about = format!("{method} {room} {seat} {price}");
        Ok(Upgrade::new(Self { about }).header("x-seat", "taken").subprotocol("v2").options(|options| {
            options.max_message_size = 10;
        }))
    }

    #[on_text]
    fn about(&mut self, _: &str, cx: &mut Context<Self>) -> String {
        format!("{} {}", self.about, cx.subprotocol().unwrap_or_default())
    }
}

async fn seats() -> Server {
    let prices = Prices(Arc::new(HashMap::from([("first".into(), 100)])));
    serve(Router::new().mount::<Seat>().with_state(prices)).await
}

#[tokio::test]
async fn upgrade_with_extractors_headers_and_options() {
    let offer = [("sec-websocket-protocol", "v1, v2")];
    let server = seats().await;
    let mut client = server.try_connect("/rooms/bl%C3%BCte/7?class=first", &offer).await.unwrap();
    assert_eq!(client.response.headers()["x-seat"], "taken");
    assert_eq!(client.response.headers()["sec-websocket-protocol"], "v2");
    client.send("?").await;
    assert_eq!(client.text().await, "GET blüte 7 100 v2");
    client.send("12345678901").await;
    assert_eq!(client.close_code().await, 1009);
}

#[tokio::test]
async fn refuses_upgrades() {
    let server = seats().await;
    let status = async |path: &str| match server.try_connect(path, &[]).await {
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        other => panic!("{:?}", other.err()),
    };
    assert_eq!(status("/rooms/a/7?class=third").await, 402);
    assert_eq!(status("/rooms/a/300?class=first").await, 400);
    assert_eq!(status("/rooms/a/7").await, 400);
    assert_eq!(status("/rooms/a").await, 404);
    // The handler selects a subprotocol that the client did not offer.
    assert_eq!(status("/rooms/a/7?class=first").await, 500);
}

#[tokio::test]
async fn handlers_inside_a_function_exchange_messages() {
    #[derive(Clone)]
    struct Line(String);

    #[derive(Clone, Default)]
    struct Subscribers(Arc<std::sync::Mutex<Vec<Recipient<Line>>>>);

    #[websocket(path = "/publisher")]
    struct Publisher(Subscribers);

    #[websocket]
    impl Publisher {
        #[on_upgrade]
        fn make(State(subscribers): State<Subscribers>) -> Self {
            Self(subscribers)
        }

        #[on_text]
        fn publish(&mut self, text: String) -> String {
            let subscribers = self.0.0.lock().unwrap();
            let sent = subscribers.iter().filter(|subscriber| subscriber.send(Line(text.clone())).is_ok());
            sent.count().to_string()
        }
    }

    #[websocket(path = "/subscriber")]
    struct Subscriber(Subscribers);

    #[websocket]
    impl Subscriber {
        #[on_upgrade]
        fn make(State(subscribers): State<Subscribers>) -> Self {
            Self(subscribers)
        }

        #[on_open]
        fn open(&mut self, cx: &mut Context<Self>) -> &'static str {
            self.0.0.lock().unwrap().push(cx.addr().recipient());
            "subscribed"
        }

        #[on_info]
        fn line(&mut self, Line(text): Line) -> String {
            text
        }

        #[cfg(any())]
        #[on_text]
        fn never(&mut self, _: NoSuchType) {}
    }

    let server =
        serve(Router::new().mount::<Publisher>().mount::<Subscriber>().with_state(Subscribers::default()))
            .await;
    let (mut publisher, mut subscriber) =
        (server.connect("/publisher").await, server.connect("/subscriber").await);
    assert_eq!(subscriber.text().await, "subscribed");
    publisher.send("hello").await;
    assert_eq!(publisher.text().await, "1");
    assert_eq!(subscriber.text().await, "hello");
}
