//! Errors as values.

mod broker;
mod publish;
#[cfg(feature = "tls")]
mod tls;

use std::{error::Error as StdError, fmt, io, net::SocketAddr};

use crate::close::CloseCode;
pub use broker::BrokerError;
#[cfg(feature = "nats")]
pub use publish::HubError;
pub use publish::PublishError;
#[cfg(feature = "tls")]
pub use tls::TlsError;

/// A boxed error of any type.
///
/// ```
/// use ws_core::BoxError;
///
/// fn answer(text: &str) -> Result<u8, BoxError> {
///     match text.parse()? {
///         42 => Ok(42),
///         other => Err(format!("{other} is not the answer").into()),
///     }
/// }
/// assert_eq!(answer("7").unwrap_err().to_string(), "7 is not the answer");
/// assert!(answer("seven").is_err());
/// ```
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The error of a method: whatever becomes a [`BoxError`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a method",
    label = "not an error that can be sent between threads",
    note = "use a type that is `std::error::Error + Send + Sync`, a `String`, a `&str`, `anyhow::Error`, or `ws_core::BoxError` for `Box<dyn Error>`"
)]
pub trait MethodError {
    /// The error, whatever its type.
    fn into_box(self) -> BoxError;
}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> MethodError for E {
    fn into_box(self) -> BoxError {
        self.into()
    }
}

/// The result of running a server.
///
/// ```
/// # use ws_core::prelude::*;
/// # #[websocket(path = "/")] #[derive(Default)] struct Echo;
/// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
/// async fn run() -> ws_core::Result<()> {
///     let stop = async { /* until Ctrl-C */ };
///     Router::new().mount::<Echo>().serve_with_shutdown("127.0.0.1:0", stop).await
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// assert!(run().await.is_ok());
/// # }
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a server could not run.
///
/// ```
/// use ws_core::{Error, Router};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
/// let addr = taken.local_addr().unwrap();
/// let error = Router::<()>::new().serve(addr).await.unwrap_err();
/// assert!(matches!(&error, Error::Bind { addr: asked, .. } if *asked == addr));
/// assert!(error.to_string().starts_with(&format!("cannot listen on {addr}: ")));
/// # }
/// ```
#[non_exhaustive]
pub enum Error {
    /// The text is no address, or its name does not resolve.
    Address {
        /// What was asked for.
        addr: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The address could not be listened on, because it is taken or not allowed.
    Bind {
        /// What was asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The threads that [`Router::workers`](crate::Router::workers) asks for could not be started.
    Workers {
        /// What the system said.
        source: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[cfg(feature = "tls")]
    Tls(TlsError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { addr, source } => write!(f, "`{addr}` is no address to listen on: {source}"),
            Self::Bind { addr, source } => write!(f, "cannot listen on {addr}: {source}"),
            Self::Workers { source } => write!(f, "cannot start the workers: {source}"),
            #[cfg(feature = "tls")]
            Self::Tls(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Address { source, .. } | Self::Bind { source, .. } | Self::Workers { source } => {
                Some(source)
            }
            #[cfg(feature = "tls")]
            Self::Tls(error) => error.source(),
        }
    }
}

#[cfg(feature = "tls")]
impl From<TlsError> for Error {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

/// The same text, for it is what a `main` that returns the error shows.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A payload that does not decode into what a method takes.
///
/// ```
/// use ws_core::{DecodeError, FromText};
///
/// struct Percent(u8);
///
/// impl FromText<'_> for Percent {
///     fn from_text(text: &str) -> Result<Self, DecodeError> {
///         match text.parse().map_err(DecodeError::new)? {
///             percent @ 0..=100 => Ok(Self(percent)),
///             _ => Err(DecodeError::new("more than all of it")),
///         }
///     }
/// }
/// let error = Percent::from_text("101").err().unwrap();
/// assert_eq!(error.to_string(), "payload does not decode: more than all of it");
/// ```
#[derive(Debug)]
pub struct DecodeError(BoxError);

impl DecodeError {
    /// Wraps what the decoder said.
    pub fn new(source: impl Into<BoxError>) -> Self {
        Self(source.into())
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "payload does not decode: {}", self.0)
    }
}

impl StdError for DecodeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

/// What `#[on_error]` is told.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// #[websocket]
/// impl Chat {
///     #[on_text]
///     fn double(&mut self, Json(number): Json<u32>) -> Result<Json<u32>, &'static str> {
///         number.checked_mul(2).map(Json).ok_or("too much")
///     }
///     #[on_error]
///     fn error(&mut self, error: &HandlerError) -> Option<String> {
///         match error {
///             HandlerError::Decode(_) => None, // Ignored.
///             other => Some(other.to_string()),
///         }
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.send("no number").await;
/// client.send("4000000000").await;
/// assert_eq!(client.text().await, "too much");
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum HandlerError {
    /// A payload did not decode into what the method takes. Without `#[on_error]`: 1007.
    Decode(DecodeError),
    /// A method returned an error. Without `#[on_error]`: 1011.
    Method(BoxError),
    /// A reply that cannot be sent: a control frame that is too long, a close code that may not
    /// be sent, a value that does not encode. Without `#[on_error]`: 1011.
    Reply(BoxError),
}

impl HandlerError {
    /// The code that the connection closes with if nobody handles the error.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_error]
    ///     fn error(&mut self, error: &HandlerError) -> Close {
    ///         Close::new(error.close_code(), error.to_string())
    ///     }
    ///     #[every(1s)]
    ///     fn fail(&mut self) -> Result<(), &'static str> {
    ///         Err("as always")
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Chat).await;
    /// client.advance(Duration::from_secs(1)).await;
    /// assert_eq!(client.closed().await, Close::new(1011, "as always"));
    /// # }
    /// ```
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::Decode(_) => CloseCode::Invalid,
            Self::Method(_) | Self::Reply(_) => CloseCode::Error,
        }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => error.fmt(f),
            Self::Method(error) => error.fmt(f),
            Self::Reply(error) => write!(f, "reply cannot be sent: {error}"),
        }
    }
}

impl StdError for HandlerError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Decode(error) => Some(error),
            Self::Method(error) | Self::Reply(error) => Some(&**error),
        }
    }
}

impl From<DecodeError> for HandlerError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

/// Why a message was not put into a handler's mailbox; it gives the message back.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket(mailbox = 1)] #[derive(Default)] struct Chat;
/// #[websocket]
/// impl Chat {
///     #[on_info]
///     async fn slow(&mut self, _: u8) {
///         tokio::time::sleep(Duration::from_secs(1)).await;
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.info(1).await; // It is being handled,
/// client.info(2).await; // and this one waits.
/// let error = client.addr().send(3).unwrap_err();
/// assert_eq!(error, SendError::Full(3));
/// assert!(!error.is_closed());
/// assert_eq!(error.into_inner(), 3);
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendError<M> {
    /// The mailbox holds as many messages as it may: the handler is slower than its senders.
    Full(M),
    /// The connection has ended.
    Closed(M),
}

impl<M> SendError<M> {
    /// The message that was not sent.
    pub fn into_inner(self) -> M {
        match self {
            Self::Full(message) | Self::Closed(message) => message,
        }
    }

    /// Whether the connection has ended, so that there is no point in trying again.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

impl<M> fmt::Display for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("the handler's mailbox is full"),
            Self::Closed(_) => f.write_str("the connection has ended"),
        }
    }
}

/// Without the message, so that it can be unwrapped whatever the message is.
impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<M> StdError for SendError<M> {}
