//! Errors as values.

use std::{error::Error as StdError, fmt, io, net::SocketAddr};

use crate::close::CloseCode;

/// A boxed error of any type.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The result of running a server.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a server could not run.
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
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { addr, source } => write!(f, "`{addr}` is no address to listen on: {source}"),
            Self::Bind { addr, source } => write!(f, "cannot listen on {addr}: {source}"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Address { source, .. } | Self::Bind { source, .. } => Some(source),
        }
    }
}

/// The same text, for it is what a `main` that returns the error shows.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A payload that does not decode into what a method takes.
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
