//! Generated code in a crate with every lint on, which depends on `ws-core` under another name. If this
//! crate compiles without a warning, expansions are lint-clean and hygienic. `.ci/run` runs Clippy on it.
#![deny(warnings, missing_docs, clippy::all, clippy::pedantic, clippy::nursery)]
#![deny(missing_copy_implementations, missing_debug_implementations, unnameable_types, unreachable_pub)]
#![deny(elided_lifetimes_in_paths, explicit_outlives_requirements, redundant_lifetimes, single_use_lifetimes)]
#![deny(closure_returning_async_block, impl_trait_redundant_captures, trivial_casts, unit_bindings)]
#![deny(unused_lifetimes, unused_qualifications, unused_results, let_underscore_drop, redundant_imports)]
#![deny(clippy::absolute_paths, clippy::allow_attributes, clippy::allow_attributes_without_reason)]
#![deny(
    clippy::impl_trait_in_params,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm
)]
#![deny(clippy::missing_docs_in_private_items, clippy::pub_underscore_fields)]
#![deny(clippy::exhaustive_enums, clippy::exhaustive_structs, clippy::std_instead_of_core)]
#![forbid(unsafe_code)]

use core::future::ready;
use std::io;

use socket::prelude::*;

/// A line of chat.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
#[non_exhaustive]
pub struct Said {
    /// The text.
    text: String,
}

/// Notice that a member left.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Leave;

/// Period of keep-alive messages.
const ALIVE: Duration = Duration::from_secs(30);

/// Every kind of method, as `fn` and `async fn`.
#[websocket(path = "/{room}", subprotocols = ["v1"], idle_timeout = 5m, mailbox = 16,
    overflow = drop_newest, unhandled = close, session(resume = 1m),
    compress(level = 1, client_no_context_takeover))]
#[derive(Debug)]
pub struct Everything {
    /// The room.
    room: String,
}

#[websocket]
impl Everything {
    /// Joins a room.
    ///
    /// # Errors
    ///
    /// 404 for a room without a name.
    #[on_upgrade]
    pub async fn join(Path(room): Path<String>, _: HeaderMap) -> Result<Self, StatusCode> {
        ready(()).await;
        if room.is_empty() { Err(StatusCode::NOT_FOUND) } else { Ok(Self { room }) }
    }

    /// Greets.
    #[on_open]
    pub fn open(&mut self, cx: &mut Context<Self>) -> String {
        cx.send(format_args!("welcome to {}", self.room));
        String::new()
    }

    /// Takes text.
    #[on_text]
    pub async fn said(&mut self, Json(said): Json<Said>, cx: &mut Context<Self>) -> Json<Said> {
        ready(()).await;
        cx.set_active(true);
        Json(said)
    }

    /// Takes bytes.
    #[on_binary]
    fn data(&mut self, bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }

    /// Takes a ping.
    #[on_ping]
    fn pinged(&mut self) {}

    /// Takes a pong.
    #[on_pong]
    async fn ponged(&mut self, payload: &[u8]) -> Option<String> {
        ready(()).await;
        payload.first().map(ToString::to_string)
    }

    /// Takes a message.
    #[on_info]
    fn left(&mut self, _: Leave) -> Close {
        Close::default()
    }

    /// Takes a second type of message.
    #[on_info]
    async fn heard(&mut self, said: Said) -> (Json<Said>, Ping) {
        ready(()).await;
        (Json(said), Ping::default())
    }

    /// Takes a shared message.
    #[on_info]
    fn published(&mut self, said: Arc<Said>) -> Json<Arc<Said>> {
        Json(said)
    }

    /// Takes the number of missed messages.
    #[on_lagged]
    async fn lagged(&mut self, missed: u64) -> String {
        ready(()).await;
        missed.to_string()
    }

    /// Waits for the client.
    #[on_detach]
    fn detached(&mut self) {}

    /// Greets again.
    #[on_attach]
    async fn attached(&mut self, cx: &mut Context<Self>) -> &'static str {
        cx.flushed().await;
        "welcome back"
    }

    /// Continues to send.
    #[on_drain]
    async fn drained(&mut self, cx: &mut Context<Self>) -> String {
        cx.flushed().await;
        "drained".to_owned()
    }

    /// Sends a keep-alive message.
    #[every(ALIVE)]
    fn alive(&mut self) -> Ping {
        Ping::default()
    }

    /// Closes the connection.
    #[after(1h)]
    async fn enough(&mut self, cx: &mut Context<Self>) {
        ready(()).await;
        cx.close(1000);
    }

    /// Takes an error.
    #[on_error]
    fn failed(&mut self, error: &HandlerError) -> String {
        error.to_string()
    }

    /// Takes the close reason.
    #[on_close]
    async fn ended(&mut self, reason: &CloseReason) {
        ready(()).await;
        self.room = reason.to_string();
    }
}

/// A handler with a parameter.
#[websocket]
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Relay<M>(M);

#[websocket]
impl<M: Clone + IntoReply> Relay<M> {
    /// Takes the number of missed messages.
    #[on_lagged]
    fn lagged(&mut self, _: u64) {}

    /// Forwards a message.
    #[on_info]
    async fn send(&mut self, message: M) -> M {
        ready(()).await;
        message
    }

    /// Sends the stored value.
    #[on_open]
    fn open(&mut self) -> M {
        self.0.clone()
    }
}

/// A handler that is an enum, in a module without imports.
pub mod module {
    /// Login state of a client.
    #[socket::websocket(path = "/")]
    #[derive(Clone, Copy, Debug, Default)]
    #[non_exhaustive]
    pub enum Guest {
        /// Before login.
        #[default]
        Unknown,
        /// After login.
        Known,
    }

    #[socket::websocket]
    impl Guest {
        /// Logs the client in.
        #[on_text]
        fn said(&mut self, _: &str) {
            *self = Self::Known;
        }
    }
}

/// A handler that takes parts.
#[websocket(path = "/upload")]
#[derive(Debug, Default)]
pub struct Upload {
    /// The number of bytes.
    bytes: Vec<usize>,
}

#[websocket]
impl Upload {
    /// Takes a part, and sends it back.
    ///
    /// # Errors
    ///
    /// Returns an error when the connection closes.
    #[on_part]
    pub async fn part(&mut self, part: Part<'_>, cx: &mut Context<Self>) -> io::Result<()> {
        self.bytes.push(part.len());
        let mut copy = cx.send_parts(part.kind());
        copy.write(part.bytes()).await?;
        copy.finish().await
    }
}

/// A handler in the body of a function.
#[must_use]
pub fn router() -> Router {
    /// A handler that only this function can name.
    #[websocket(path = "/local", compress())]
    #[derive(Default)]
    struct Local;

    #[websocket]
    impl Local {
        /// Echoes.
        #[on_text]
        fn echo(&mut self, text: String) -> String {
            text
        }
    }

    Router::new()
        .mount::<Everything>()
        .mount::<module::Guest>()
        .mount::<Local>()
        .mount::<Upload>()
        .mount_at::<Relay<String>>("/relay/of/strings")
}
