//! The connection to a server: a handler in the client's role that passes everything on.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::timeout;
use ws_core::client::{ConnectError, Disconnect, DisconnectCause, Ended, Reconnect};
use ws_core::prelude::*;

use crate::args::ServerArguments;
use crate::contracts;
use crate::failure::Failure;
use crate::target::Target;

/// How many messages of the server may wait for the program, after which reading stops.
const MAX_WAITING: usize = 256;

/// How long the program waits for the end of a connection that it closes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What a connection passes to the program.
#[derive(Debug)]
pub(crate) enum Arrival {
    Open(Addr<Link>),
    Text(String),
    Binary(Bytes),
    /// The connection is lost. The next attempt begins after this time.
    Lost(String, Duration),
    /// There is no further attempt.
    End(Result<Ended, ConnectError>),
}

/// The handler of the connection.
#[derive(Debug)]
#[websocket(max_message_size = 16MiB)]
pub(crate) struct Link {
    arrivals: Sender<Arrival>,
}

#[websocket]
impl Link {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) {
        let addr = cx.addr();
        _ = self.arrivals.send(Arrival::Open(addr)).await;
    }

    #[on_text]
    async fn text(&mut self, text: String) {
        _ = self.arrivals.send(Arrival::Text(text)).await;
    }

    #[on_binary]
    async fn binary(&mut self, bytes: Bytes) {
        _ = self.arrivals.send(Arrival::Binary(bytes)).await;
    }

    #[on_info]
    fn send(&mut self, message: Message) -> Message {
        message
    }
}

/// A connection, and what arrives.
pub(crate) struct Connection {
    arrivals: Receiver<Arrival>,
    addr: Option<Addr<Link>>,
}

impl Connection {
    /// Begins to connect. `reconnect` is the policy for connections that end.
    pub(crate) fn start(
        target: &Target,
        server: &ServerArguments,
        mut reconnect: impl Reconnect + 'static,
    ) -> Result<Self, Failure> {
        let (sender, arrivals) = mpsc::channel(MAX_WAITING);
        let mut client = contracts::client(&target.url, &server.http)?.connect_timeout(server.timeout);
        let offered =
            if server.subprotocols.is_empty() { &target.handler.subprotocols } else { &server.subprotocols };
        for name in offered {
            client = client.subprotocol(name);
        }
        let lost = sender.clone();
        let client = client.reconnect(move |disconnect: &Disconnect<'_>| {
            let delay = reconnect.reconnect(disconnect)?;
            // A program that is 256 messages behind misses this one.
            _ = lost.try_send(Arrival::Lost(disconnect.to_string(), delay));
            Some(delay)
        });
        tokio::spawn(async move {
            let end = client.run(|| Link { arrivals: sender.clone() }).await;
            _ = sender.send(Arrival::End(end)).await;
        });
        Ok(Self { arrivals, addr: None })
    }

    /// Waits for the next arrival; `None` after the end.
    pub(crate) async fn next(&mut self) -> Option<Arrival> {
        let arrival = self.arrivals.recv().await;
        match &arrival {
            Some(Arrival::Open(addr)) => self.addr = Some(addr.clone()),
            Some(Arrival::Lost(..) | Arrival::End(_)) | None => self.addr = None,
            Some(_) => {}
        }
        arrival
    }

    /// Waits until the connection is open.
    pub(crate) async fn open(&mut self, url: &str) -> Result<(), Failure> {
        match self.next().await {
            Some(Arrival::Open(_)) => Ok(()),
            Some(Arrival::End(Err(error))) => Err(Failure::connect(url, &error)),
            _ => Err(Failure::connection(format!("{url}: the connection did not open"))),
        }
    }

    /// Sends a message.
    pub(crate) fn send(&self, message: Message) -> Result<(), Failure> {
        let sent = self.addr.as_ref().map(|addr| addr.send(message));
        match sent {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(Failure::connection(format!("the message was not sent: {error}"))),
            None => Err(Failure::connection("there is no connection")),
        }
    }

    /// Closes the connection with 1000, and waits for the end, for up to 2 s.
    pub(crate) async fn close(mut self) {
        _ = self.send(Message::Close(Close::default()));
        let end = async { while !matches!(self.next().await, Some(Arrival::End(_)) | None) {} };
        _ = timeout(CLOSE_TIMEOUT, end).await;
    }
}

/// Returns why there is no connection any more, with what the contract says about the close code.
pub(crate) fn describe_end(target: &Target, end: &Result<Ended, ConnectError>) -> String {
    let ended = match end {
        Ok(ended) => ended,
        Err(error) => return error.to_string(),
    };
    let mut text = DisconnectCause::Closed(&ended.reason).to_string();
    if let CloseReason::Remote(Some(close)) = &ended.reason {
        let code = u16::from(close.code);
        if let Some(known) = target.handler.close_codes.iter().find(|known| known.code == code) {
            text = format!("{text} (contract: {})", known.reason);
        }
    }
    text
}
