//! Values on the wire.

use std::sync::Arc;

use crate::error::{BoxError, PublishError};
use crate::wire::PreparedMessage;

/// How the values of a topic are written: for the clients to which they are forwarded, and for the
/// other processes of a cluster. [`Hub::topic`](crate::Hub::topic) writes JSON;
/// [`Hub::topic_with`](crate::Hub::topic_with) takes another one.
///
/// ```
/// use ws_core::{BoxError, Codec, Hub};
///
/// /// Four bytes, the most significant first.
/// struct BigEndian;
///
/// impl Codec<u32> for BigEndian {
///     const IS_TEXT: bool = false;
///
///     fn encode(&self, value: &u32, out: &mut Vec<u8>) -> Result<(), BoxError> {
///         out.extend_from_slice(&value.to_be_bytes());
///         Ok(())
///     }
///
///     fn decode(&self, bytes: &[u8]) -> Result<u32, BoxError> {
///         Ok(u32::from_be_bytes(bytes.try_into()?))
///     }
/// }
///
/// let prices = Hub::local().topic_with("prices", BigEndian);
/// prices.publish(7)?;
/// # Ok::<_, ws_core::PublishError>(())
/// ```
pub trait Codec<T>: Send + Sync + 'static {
    /// Whether it writes UTF-8, which clients get as text; otherwise they get binary messages.
    const IS_TEXT: bool;

    /// Appends the value.
    ///
    /// # Errors
    ///
    /// It cannot be written; [`Topic::publish`](crate::Topic::publish) then says so.
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), BoxError>;

    /// The value that was written.
    ///
    /// # Errors
    ///
    /// It is none. Subscribers are told that they have missed a message.
    fn decode(&self, bytes: &[u8]) -> Result<T, BoxError>;
}

/// JSON, as serde writes it: the codec of [`Hub::topic`](crate::Hub::topic).
#[cfg(feature = "json")]
pub(super) struct JsonCodec;

#[cfg(feature = "json")]
impl<T: serde::Serialize + serde::de::DeserializeOwned> Codec<T> for JsonCodec {
    const IS_TEXT: bool = true;

    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), BoxError> {
        Ok(serde_json::to_writer(out, value)?)
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, BoxError> {
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// A codec, whatever its type is.
pub(super) trait ErasedCodec<T>: Send + Sync {
    /// The value as clients get it.
    fn encode(&self, value: &T) -> Result<Arc<PreparedMessage>, PublishError>;

    /// A value that was written elsewhere, as clients get it.
    fn frame(&self, payload: &[u8]) -> Result<Arc<PreparedMessage>, BoxError>;

    /// The value that was written elsewhere.
    fn decode(&self, payload: &[u8]) -> Result<T, BoxError>;
}

impl<T, C: Codec<T>> ErasedCodec<T> for C {
    fn encode(&self, value: &T) -> Result<Arc<PreparedMessage>, PublishError> {
        let mut payload = Vec::new();
        Codec::encode(self, value, &mut payload).map_err(PublishError::Encode)?;
        self.frame(&payload).map_err(PublishError::Encode)
    }

    fn frame(&self, payload: &[u8]) -> Result<Arc<PreparedMessage>, BoxError> {
        if !C::IS_TEXT {
            return Ok(Arc::new(PreparedMessage::binary(payload)));
        }
        // What clients would have to refuse is not sent to thousands of them.
        Ok(Arc::new(PreparedMessage::text(std::str::from_utf8(payload)?)))
    }

    fn decode(&self, payload: &[u8]) -> Result<T, BoxError> {
        Codec::decode(self, payload)
    }
}
