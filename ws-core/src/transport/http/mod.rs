//! A connection inside the requests and responses of HTTP.
//!
//! The wire engine knows only frames. For a client that speaks none, the server holds the client's end of a stream
//! in memory: [`FrameClient`] sends frames and reads those of the engine, and a body of a response translates what
//! it reads. One engine therefore enforces every limit, and other connections run no code for this.

mod body;
mod client;
#[cfg(feature = "session")]
mod delivery;
mod events;
#[cfg(feature = "session")]
mod post;
#[cfg(feature = "session")]
mod session;

pub(crate) use body::{EventBody, ReplyBody};
pub(crate) use client::{FrameClient, ServerClose, close_frame, text_frame};

#[cfg(feature = "session")]
pub(crate) use delivery::{DeliveryError, carrier, deliver};
#[cfg(feature = "session")]
pub(crate) use post::{MAX_NUMBER, PostBody};
#[cfg(feature = "session")]
pub(crate) use session::{ResponseKind, SessionBody, SessionEvents};

#[cfg(test)]
mod tests;
