//! A client of the session protocol that checks the numbers of messages.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tests::tungstenite::Message;
use tests::tungstenite::client::IntoClientRequest;
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, sleep};
use tokio_tungstenite::client_async;

use super::http::request;
use super::{Counts, Random, is_number, payload};

/// Time between two messages, in milliseconds.
const PERIOD: u128 = 50;

/// Messages after which an acknowledgement is sent.
const UNACKNOWLEDGED: u64 = 16;

#[derive(Clone, Copy)]
pub(super) enum Transport {
    WebSocket,
    Events,
    Polling,
}

/// The end of a connection, which is always a loss.
type Lost = Option<std::convert::Infallible>;

struct Client {
    addr: SocketAddr,
    counts: Arc<Counts>,
    is_over: Arc<AtomicBool>,
    start: Instant,
    state: Mutex<State>,
}

/// The session, which outlives its connections.
#[derive(Default)]
struct State {
    token: Option<String>,
    /// The numbers of the last messages: from the server, and of those that the server has.
    received: u64,
    delivered: u64,
    /// The number of the client's last message, once it is known.
    last: Option<u64>,
    /// How many connections in a row have ended because another one took over.
    takeovers: u32,
    is_done: bool,
}

/// Runs a client until its last message has been answered.
///
/// # Panics
///
/// A message is missing, comes twice or out of order, or the session is lost.
pub(super) async fn run(
    addr: SocketAddr,
    transports: &'static [Transport],
    mut random: Random,
    counts: Arc<Counts>,
    is_over: Arc<AtomicBool>,
) {
    let client = Client { addr, counts, is_over, start: Instant::now(), state: Mutex::default() };
    while !client.is_done() {
        let transport = transports[random.below(transports.len() as u64) as usize];
        let is_attached = AtomicBool::new(false);
        let takeovers = client.state.lock().unwrap().takeovers;
        let carry = async {
            match transport {
                Transport::WebSocket => client.carry_by_websocket(&is_attached).await,
                Transport::Events => client.carry_by_http(false, &is_attached).await,
                Transport::Polling => client.carry_by_http(true, &is_attached).await,
            }
        };
        let done = async {
            while !client.is_done() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            _ = carry => {}
            () = done => {}
        }
        if is_attached.into_inner() {
            let mut state = client.state.lock().unwrap();
            if state.takeovers == takeovers {
                state.takeovers = 0;
            }
        }
        sleep(Duration::from_millis(random.below(50))).await;
    }
}

impl Client {
    fn is_done(&self) -> bool {
        self.state.lock().unwrap().is_done
    }

    /// Returns the messages after a number that are due: one for each period, and the last one.
    fn due(&self, after: u64) -> Vec<String> {
        let mut state = self.state.lock().unwrap();
        let count = (self.start.elapsed().as_millis() / PERIOD) as u64;
        if self.is_over.load(Ordering::Relaxed) {
            state.last.get_or_insert(count + 1);
        }
        let text = |number| if state.last == Some(number) { "end".into() } else { payload(number - 1) };
        (after + 1..=state.last.unwrap_or(count)).take(50).map(text).collect()
    }

    /// Handles a message of the server.
    fn on_message(&self, number: u64, text: &str) {
        let mut state = self.state.lock().unwrap();
        if number <= state.received {
            return;
        }
        assert_eq!(number, state.received + 1, "a message is missing");
        state.received = number;
        self.counts.down.fetch_add(1, Ordering::Relaxed);
        if let Some(sent) = text.strip_prefix("end ") {
            assert_eq!(sent.parse(), Ok(number - 1), "the last message of the server");
            state.is_done = true;
        } else {
            assert!(is_number(text, number - 1), "{text:.20} is message {number}");
        }
    }

    /// Handles the number of the last message that the server has.
    fn on_delivered(&self, number: u64) {
        let mut state = self.state.lock().unwrap();
        let more = number.saturating_sub(state.delivered);
        state.delivered += more;
        self.counts.up.fetch_add(more, Ordering::Relaxed);
    }

    /// Handles that a connection carries the session.
    fn on_attached(&self, is_attached: &AtomicBool) {
        if !is_attached.swap(true, Ordering::Relaxed) {
            self.counts.resumes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Handles a close. A request that was late takes the session over, but not twice in a row.
    fn on_close(&self, code: u64) {
        assert_eq!(code, 4900, "the session is over");
        let mut state = self.state.lock().unwrap();
        state.takeovers += 1;
        assert!(state.takeovers < 3, "another client has the session");
    }

    /// Handles the object `session`.
    fn on_session(&self, session: &Value, is_attached: &AtomicBool) {
        let token = session["token"].as_str().expect("a token").to_owned();
        if session["resumed"] == true {
            self.on_attached(is_attached);
        } else {
            is_attached.store(true, Ordering::Relaxed);
            assert_eq!(self.state.lock().unwrap().token.replace(token), None, "the session is lost");
        }
        self.on_delivered(session["received"].as_u64().expect("a number"));
    }

    async fn carry_by_websocket(&self, is_attached: &AtomicBool) -> Lost {
        let mut handshake = format!("ws://{}/numbers", self.addr).into_client_request().unwrap();
        let mut offer = "ws-core.session.v1".to_owned();
        let mut acked = {
            let state = self.state.lock().unwrap();
            if let Some(token) = &state.token {
                offer += &format!(", ws-core.resume.{token}.{}", state.received);
            }
            state.received
        };
        handshake.headers_mut().insert("sec-websocket-protocol", offer.parse().unwrap());
        let stream = TcpStream::connect(self.addr).await.ok()?;
        let (mut socket, _) = client_async(handshake, stream).await.ok()?;
        let mut sent = None;
        let mut pace = interval(Duration::from_millis(10));
        loop {
            tokio::select! {
                message = socket.next() => match message?.ok()? {
                    Message::Text(text) => {
                        let received = self.state.lock().unwrap().received;
                        let Some(json) = text.strip_prefix('\0') else {
                            self.on_message(received + 1, &text);
                            continue;
                        };
                        let object: Value = serde_json::from_str(json).unwrap();
                        if let Some(session) = object.get("session") {
                            self.on_session(session, is_attached);
                            sent = Some(self.state.lock().unwrap().delivered);
                        } else if let Some(text) = object.get("text") {
                            self.on_message(received + 1, text.as_str().unwrap());
                        } else if let Some(number) = object.get("ack") {
                            self.on_delivered(number.as_u64().unwrap());
                        }
                    }
                    Message::Close(Some(close)) => {
                        self.on_close(u16::from(close.code).into());
                        return None;
                    }
                    _ => {}
                },
                _ = pace.tick() => {
                    let Some(number) = &mut sent else { continue };
                    for text in self.due(*number) {
                        let is_marked = text.starts_with('\0');
                        let text = if is_marked { format!("\0{}", json!({ "text": text })) } else { text };
                        socket.feed(Message::text(text)).await.ok()?;
                        *number += 1;
                    }
                    let received = self.state.lock().unwrap().received;
                    if received - acked >= UNACKNOWLEDGED {
                        acked = received;
                        socket.feed(Message::text(format!("\0{}", json!({ "ack": acked })))).await.ok()?;
                    }
                    socket.flush().await.ok()?;
                }
            }
        }
    }

    async fn carry_by_http(&self, is_polling: bool, is_attached: &AtomicBool) -> Lost {
        tokio::select! {
            lost = self.receive(is_polling, is_attached) => lost,
            lost = self.post(is_polling, is_attached) => lost,
        }
    }

    async fn receive(&self, is_polling: bool, is_attached: &AtomicBool) -> Lost {
        let accept = if is_polling { "" } else { "Accept: text/event-stream\r\n" };
        loop {
            let headers = {
                let state = self.state.lock().unwrap();
                let (token, received) = (state.token.as_deref().unwrap_or("new"), state.received);
                format!("{accept}Ws-Core-Session: {token}\r\nLast-Event-ID: {received}\r\n")
            };
            let mut response = request(self.addr, "GET", &headers, "").await.ok()?;
            assert_eq!(response.status, 200);
            let mut text = String::new();
            while let Some(piece) = response.piece().await.ok()? {
                text += &piece;
                while let Some(end) = text.find("\n\n") {
                    let event: String = text.drain(..end + 2).collect();
                    self.on_event(&event, is_attached);
                }
            }
            if !is_polling {
                return None;
            }
        }
    }

    fn on_event(&self, event: &str, is_attached: &AtomicBool) {
        let (mut kind, mut id, mut lines) = ("", 0, Vec::new());
        for line in event.lines() {
            match line.split_once(": ") {
                Some(("event", value)) => kind = value,
                Some(("id", value)) => id = value.parse().unwrap(),
                Some(("data", value)) => lines.push(value),
                _ => {}
            }
        }
        let data = lines.join("\n");
        if kind != "session" {
            if !lines.is_empty() {
                self.on_message(id, &data);
            }
            return;
        }
        let object: Value = serde_json::from_str(&data).unwrap();
        if let Some(session) = object.get("session") {
            self.on_session(session, is_attached);
        } else if let Some(text) = object.get("text") {
            self.on_message(id, text.as_str().unwrap());
        }
        if let Some(close) = object.get("close") {
            self.on_close(close["code"].as_u64().expect("a code"));
        }
    }

    async fn post(&self, is_polling: bool, is_attached: &AtomicBool) -> Lost {
        let mut acked = self.state.lock().unwrap().received;
        let mut gaps = 0;
        loop {
            let was_attached = is_attached.load(Ordering::Relaxed);
            let (token, received, delivered) = {
                let state = self.state.lock().unwrap();
                (state.token.clone(), state.received, state.delivered)
            };
            let messages = if was_attached { self.due(delivered) } else { Vec::new() };
            let is_ack_due = !is_polling && received - acked >= UNACKNOWLEDGED;
            let is_due = if was_attached { is_ack_due || !messages.is_empty() } else { is_polling };
            let Some(token) = token.filter(|_| is_due) else {
                sleep(Duration::from_millis(5)).await;
                continue;
            };
            let mut body = json!({ "ack": received });
            if !messages.is_empty() {
                body["first"] = (delivered + 1).into();
                body["messages"] = messages.into();
            }
            let headers = format!("Ws-Core-Session: {token}\r\nContent-Type: application/json\r\n");
            let mut response = request(self.addr, "POST", &headers, &body.to_string()).await.ok()?;
            if response.status == 409 && is_polling && gaps < 100 {
                // The POST has overtaken the poll.
                gaps += 1;
                sleep(Duration::from_millis(20)).await;
                continue;
            }
            let answer = response.piece().await.ok()??;
            // A resume follows.
            if response.status != 200 {
                return None;
            }
            (gaps, acked) = (0, received);
            let answer: Value = serde_json::from_str(&answer).unwrap();
            self.on_attached(is_attached);
            self.on_delivered(answer["received"].as_u64().unwrap());
        }
    }
}
