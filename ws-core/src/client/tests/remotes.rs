//! Typed clients of handlers.

use serde::{Deserialize, Serialize};

use super::*;
use crate::{Call, CallError, ClientCallError, Deferred, JsonRpc, Messages, Tagged};

#[derive(Debug, PartialEq, Messages, Serialize, Deserialize)]
enum News {
    Price(f64),
    Pair(u8, String),
    Halted {
        symbol: String,
    },
    List(Vec<u8>),
    #[serde(skip)]
    #[expect(dead_code, reason = "not for clients")]
    Internal,
    #[message("market.closed")]
    Closed,
}

#[derive(Debug, PartialEq)]
struct NoFunds(i64);

impl From<NoFunds> for CallError {
    fn from(error: NoFunds) -> Self {
        Self::new(-32000, "no funds").with_data(&error.0)
    }
}

impl TryFrom<CallError> for NoFunds {
    type Error = CallError;

    fn try_from(error: CallError) -> Result<Self, CallError> {
        let missing = error.data().and_then(|data| serde_json::from_str(data.get()).ok());
        match missing {
            Some(missing) if error.code() == -32000 => Ok(Self(missing)),
            _ => Err(error),
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    symbol: String,
    amount: u64,
}

#[derive(Call, Serialize, Deserialize)]
#[call(returns = bool)]
struct Confirm {
    order: u64,
}

#[derive(Call, Serialize, Deserialize)]
#[call(returns = u64)]
struct Double(u64);

#[websocket(envelope = JsonRpc, sends = News)]
enum Board {
    Open(Open),
    Shut(Shut),
}

#[derive(Default)]
struct Open {
    typed: Vec<String>,
}
struct Shut;

impl Default for Board {
    fn default() -> Self {
        Self::Open(Open::default())
    }
}

#[websocket(client = BoardClient)]
impl Board {
    #[on_open]
    fn open(&mut self) -> News {
        News::Price(0.5)
    }
    /// Adds two numbers.
    #[on_call]
    fn add(&mut self, a: i64, r#type: Option<i64>) -> i64 {
        a + r#type.unwrap_or_default()
    }
    #[on_call("text.length")]
    fn length(&mut self, text: &str) -> usize {
        text.len()
    }
    #[on_call]
    fn nothing(&mut self) {}
    #[on_call]
    fn pay(&mut self, amount: i64) -> Result<i64, NoFunds> {
        if amount > 10 { Err(NoFunds(amount - 10)) } else { Ok(10 - amount) }
    }
    #[on_call]
    fn order(&mut self, Params(order): Params<Order>) -> Deferred<Result<Order, CallError>> {
        Deferred::new(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(Order { amount: order.amount + 1, ..order })
        })
    }
    #[on_call]
    async fn confirm(&mut self, order: u64, cx: &mut Context<Self>) -> String {
        let confirmed = cx.call(Confirm { order }).await.unwrap();
        let unknown = cx.call(Unknown {}).await.unwrap_err();
        format!("{confirmed} {} {unknown}", cx.call(Double(21)).await.unwrap())
    }
    #[on_message]
    fn typing(open: &mut Open, text: String) {
        open.typed.push(text);
    }
    #[on_call]
    fn typed(open: &mut Open) -> Vec<String> {
        std::mem::take(&mut open.typed)
    }
    #[on_call]
    fn shut(_: &mut Open, reason: String) -> (String, Goto<Shut>) {
        (reason, Goto(Shut))
    }
    #[on_call]
    fn news(&mut self, cx: &mut Context<Self>) {
        cx.send(News::Pair(1, "two".into()));
        cx.send(News::Halted { symbol: "ACME".into() });
        cx.send(News::List(vec![1]));
        cx.send(News::List(vec![1, 2]));
        cx.send(News::Closed);
    }
    #[on_call]
    fn leave(&mut self, cx: &mut Context<Self>) {
        cx.close(1012);
    }
}

#[derive(Call, Serialize)]
#[call(returns = ())]
struct Unknown {}

async fn connect(
    serve: impl Fn(usize, DuplexStream) -> tokio::task::JoinHandle<()> + Send + Sync + 'static,
) -> BoardClient {
    let answers = RemoteAnswers::new()
        .on(|confirm: Confirm| async move { Ok(confirm.order < 100) })
        .on(|Double(number): Double| async move { Ok(2 * number) });
    let client = client(move |number, io| {
        serve(number, io);
        async {}
    });
    BoardClient::connect_with(client, answers).await.unwrap()
}

fn board(_: usize, io: DuplexStream) -> tokio::task::JoinHandle<()> {
    tokio::spawn(serve(Board::default(), io))
}

#[tokio::test(start_paused = true)]
async fn calls_have_their_types() {
    let client = connect(board).await;
    assert_eq!(client.add(2, Some(3)).await.unwrap(), 5);
    assert_eq!(client.add(2, None).await.unwrap(), 2);
    assert_eq!(client.length("häuser").await.unwrap(), 7);
    client.nothing().await.unwrap();
    assert_eq!(client.pay(3).await.unwrap(), 7);
    assert!(matches!(client.pay(12).await, Err(RemoteCallError::Refused(NoFunds(2)))));
    let order = |amount| Order { symbol: "ACME".into(), amount };
    assert_eq!(client.order(Params(order(1))).await.unwrap(), order(2));
    let confirmed = client.confirm(7).await.unwrap();
    assert!(
        confirmed.starts_with("true 42 the client answered with an error: method `unknown`"),
        "{confirmed}"
    );
    // Messages and calls arrive in order.
    client.typing("one".into()).unwrap();
    client.typing("two".into()).unwrap();
    assert_eq!(client.typed().await.unwrap(), ["one", "two"]);
    assert_eq!(client.shut("tired".into()).await.unwrap(), "tired");
    let error = client.typed().await.unwrap_err();
    assert!(
        matches!(&error, RemoteCallError::Refused(error) if error.code() == CallError::WRONG_STATE),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn calls_run_at_the_same_time() {
    let client = connect(board).await;
    let began = Instant::now();
    let order = |amount| client.order(Params(Order { symbol: String::new(), amount }));
    let (one, two) = tokio::join!(order(1), order(2));
    assert_eq!((one.unwrap().amount, two.unwrap().amount), (2, 3));
    assert_eq!(began.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn messages_are_a_stream() {
    let client = connect(board).await;
    client.news().await.unwrap();
    // The first stream has what was sent before.
    let mut messages = client.messages();
    let mut later = client.messages();
    let mut received = Vec::new();
    for _ in 0..6 {
        received.push(messages.next().await.unwrap().unwrap());
    }
    let halted = News::Halted { symbol: "ACME".into() };
    let lists = [News::List(vec![1]), News::List(vec![1, 2])];
    let [one, two] = lists;
    assert_eq!(received, [News::Price(0.5), News::Pair(1, "two".into()), halted, one, two, News::Closed]);
    client.close().await;
    assert!(messages.next().await.is_none());
    assert!(later.next().await.is_none());
    assert!(client.messages().next().await.is_none());
}

/// Sends these texts to the first client after the handshake, and nothing to others.
fn speak(
    texts: &'static [&'static str],
) -> impl Fn(usize, DuplexStream) -> tokio::task::JoinHandle<()> + Send + Sync {
    move |_, io| {
        tokio::spawn(async move {
            let mut io = accept_raw(io).await;
            for text in texts {
                io.write_all(&[0x81, u8::try_from(text.len()).unwrap()]).await.unwrap();
                io.write_all(text.as_bytes()).await.unwrap();
            }
            wait_closed(&mut io).await;
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_reports_what_it_does_not_understand() {
    let client = connect(speak(&[
        r#"{"jsonrpc":"2.0","method":"weather","params":["fine"]}"#,
        r#"{"jsonrpc":"2.0","method":"price","params":["high"]}"#,
        r#"{"jsonrpc":"2.0","method":"internal"}"#,
        "not JSON",
        r#"{"jsonrpc":"2.0","result":1,"id":99}"#,
        r#"{"jsonrpc":"2.0","method":"price","params":[1.5]}"#,
    ]))
    .await;
    let mut messages = client.messages();
    let unknown = messages.next().await.unwrap().unwrap_err();
    assert_eq!(unknown.to_string(), "the server sent the unknown message `weather`");
    let invalid = messages.next().await.unwrap().unwrap_err();
    assert!(matches!(&invalid, RemoteMessageError::Invalid { name, .. } if name == "price"), "{invalid}");
    let skipped = messages.next().await.unwrap().unwrap_err();
    assert!(matches!(&skipped, RemoteMessageError::Invalid { name, .. } if name == "internal"), "{skipped}");
    assert_eq!(messages.next().await.unwrap().unwrap(), News::Price(1.5));
}

#[tokio::test(start_paused = true)]
async fn messages_that_wait_are_bounded() {
    let client = connect(board).await;
    for _ in 0..300 {
        client.news().await.unwrap();
    }
    let mut messages = client.messages();
    let lagged = messages.next().await.unwrap().unwrap_err();
    // 1,501 messages were sent.
    assert!(matches!(lagged, RemoteMessageError::Lagged(477)), "{lagged}");
    assert!(messages.next().await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn streams_are_fair_to_other_tasks() {
    let client = connect(board).await;
    for _ in 0..100 {
        client.news().await.unwrap();
    }
    let mut messages = client.messages();
    let other = tokio::spawn(async {});
    let mut received = 0;
    while !other.is_finished() && received < 500 {
        _ = messages.next().await;
        received += 1;
    }
    assert!(other.is_finished(), "after {received} messages");
}

#[tokio::test(start_paused = true)]
async fn messages_to_the_server_are_bounded() {
    let client = connect(board).await;
    let sent = (0..2000).map_while(|_| client.typing("x".into()).ok()).count();
    assert_eq!(sent, 1024);
    assert!(matches!(client.typing("x".into()), Err(ClientCallError::TooManyPending)));
    assert_eq!(client.typed().await.unwrap().len(), 1024);
}

#[tokio::test(start_paused = true)]
async fn a_client_reconnects() {
    let client = connect(board).await;
    let mut messages = client.messages();
    assert_eq!(client.connected(0).await, Some(1));
    // The close precedes the answer.
    let lost = client.leave().await;
    assert!(matches!(lost, Err(RemoteCallError::Failed(ClientCallError::ConnectionEnded))), "{lost:?}");
    while client.is_connected() {
        tokio::task::yield_now().await;
    }
    assert!(matches!(client.add(1, None).await, Err(RemoteCallError::Failed(ClientCallError::Closed))));
    assert!(matches!(client.typing(String::new()), Err(ClientCallError::Closed)));
    assert_eq!(client.connected(1).await, Some(2));
    assert_eq!(client.add(1, None).await.unwrap(), 1);
    // The stream goes on over both connections.
    for _ in 0..2 {
        assert_eq!(messages.next().await.unwrap().unwrap(), News::Price(0.5));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_ends_with_its_last_clone() {
    let log = Log::default();
    let server_log = log.clone();
    let client = connect(move |_, io| tokio::spawn(serve(Logger(server_log.clone()), io))).await;
    let other = client.clone();
    drop(client);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(log.entries(), ["open"]);
    let ended = tokio::spawn(async move { other.ended().await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    ended.abort();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(log.entries(), ["open", "closed by the client: 1001 \"client is shutting down\""]);
}

#[tokio::test(start_paused = true)]
async fn a_client_without_a_server_fails() {
    let refused = Client::new("ws://server.test/")
        .connector(|| async { Err::<DuplexStream, _>(io::ErrorKind::ConnectionRefused.into()) });
    let client = BoardClient::connect_with(
        refused.reconnect(Backoff::default().give_up_after(3)),
        RemoteAnswers::new(),
    );
    assert!(matches!(client.await, Err(ConnectError::Io(_))));
    assert!(matches!(BoardClient::connect("http://server.test/").await, Err(ConnectError::Url(_))));
}

/// Handler whose names are in a member, with the parameters beside it.
#[websocket(envelope = Tagged, sends = Told)]
#[derive(Default)]
struct Plain;

#[derive(Debug, PartialEq, Messages, Serialize, Deserialize)]
enum Told {
    Word { text: String },
    Done,
}

#[websocket(client = PlainClient)]
impl Plain {
    #[on_call]
    fn join(&mut self, first: String, second: String, cx: &mut Context<Self>) -> Result<String, CallError> {
        cx.send(Told::Word { text: first.clone() });
        cx.send(Told::Done);
        if second.is_empty() { Err(CallError::new(1, "empty")) } else { Ok(first + &second) }
    }
}

#[tokio::test(start_paused = true)]
async fn tagged_messages_have_their_types() {
    let client = client(|_, io| serve(Plain, io));
    let client = PlainClient::connect_with(client, RemoteAnswers::new()).await.unwrap();
    let mut messages = client.messages();
    assert_eq!(client.join("a".into(), "b".into()).await.unwrap(), "ab");
    let error = client.join("a".into(), String::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "the server answered with an error: empty (code 1)");
    assert_eq!(messages.next().await.unwrap().unwrap(), Told::Word { text: "a".into() });
    assert_eq!(messages.next().await.unwrap().unwrap(), Told::Done);
}
