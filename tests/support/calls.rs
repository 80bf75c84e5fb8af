//! Handlers that call their clients, and that take and send messages in parts, for every transport.

use std::io;

use serde::Serialize;
use tokio::sync::mpsc;
use ws_core::prelude::*;

/// The call to the client, whose result is twice the number.
#[derive(Call, Serialize)]
#[call(returns = u32)]
pub struct Double {
    pub n: u32,
}

/// The addresses of the connections, for calls from outside.
pub type Addresses = mpsc::UnboundedSender<Addr<Caller>>;

/// Handler that calls its client. Its state is the [`Addresses`].
#[websocket(path = "/calls", envelope = JsonRpc)]
pub struct Caller(Addresses);

#[websocket]
impl Caller {
    #[on_upgrade]
    fn make(State(addresses): State<Addresses>) -> Self {
        Self(addresses)
    }

    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        self.0.send(cx.addr()).unwrap();
    }

    /// Calls the client, and waits for the answer.
    #[on_call]
    async fn quadruple(&mut self, n: u32, cx: &mut Context<Self>) -> Result<u32, ClientCallError> {
        Ok(2 * cx.call(Double { n }).await?)
    }

    /// Calls the client, and holds up no other message.
    #[on_call]
    fn quadruple_later(&mut self, n: u32, cx: &mut Context<Self>) -> Deferred<Result<u32, ClientCallError>> {
        let call = cx.call(Double { n });
        Deferred::new(async move { Ok(2 * call.await?) })
    }
}

/// Returns the text of a client's call.
pub fn call(id: u32, method: &str, n: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":[{n}]}}"#)
}

/// Returns the text of the server's call `double`.
pub fn double(id: u32, n: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"double","params":{{"n":{n}}}}}"#)
}

/// Returns the text of an answer, of both sides.
pub fn result(id: u32, result: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","result":{result},"id":{id}}}"#)
}

/// Handler that collects a message, and sends it back in parts of 10,000 bytes.
#[websocket(path = "/parts", outbox_high_water = 16KiB, outbox_limit = 64KiB)]
#[derive(Default)]
pub struct PartEcho(Vec<u8>);

#[websocket]
impl PartEcho {
    #[on_part]
    async fn part(&mut self, part: Part<'_>, cx: &mut Context<Self>) -> io::Result<()> {
        if part.is_first() {
            self.0.clear();
        }
        self.0.extend_from_slice(&part);
        if !part.is_last() {
            return Ok(());
        }
        let mut echo = cx.send_parts(part.kind());
        for bytes in self.0.chunks(10_000) {
            echo.write(bytes).await?;
        }
        echo.finish().await
    }
}

/// Returns a message of a length, whose parts can be told apart.
pub fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}
