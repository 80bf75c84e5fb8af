//! Encoding and decoding of a topic's values.

use std::sync::Arc;

use crate::error::{BoxError, PublishError};
use crate::wire::PreparedMessage;

/// Encoding of a topic's values, for the clients to which they are forwarded and for the other processes of
/// a cluster.
///
/// [`Hub::topic`](crate::Hub::topic) uses JSON. [`Hub::topic_with`](crate::Hub::topic_with) takes another
/// codec. A [`Hub::local_topic`](crate::Hub::local_topic) needs none.
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
    /// Whether the encoding is UTF-8. Clients then get text messages, otherwise binary ones.
    const IS_TEXT: bool;

    /// Appends the encoded value to `out`.
    ///
    /// # Errors
    ///
    /// The value cannot be encoded. [`Topic::publish`](crate::Topic::publish) returns the error.
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), BoxError>;

    /// Decodes a value.
    ///
    /// # Errors
    ///
    /// The bytes are not an encoded value. Subscribers learn that they have missed a message.
    fn decode(&self, bytes: &[u8]) -> Result<T, BoxError>;
}

/// The codec of [`Hub::topic`](crate::Hub::topic): JSON through serde.
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

/// A value that [`Hub::topic`](crate::Hub::topic) can encode as JSON. Implemented for all types with serde's
/// traits.
///
/// Bounds use this trait instead of serde's, so that a compile error names the alternatives.
#[cfg(feature = "json")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent to clients and to other processes as JSON",
    label = "not `serde::Serialize` and `serde::de::DeserializeOwned`",
    note = "add `#[derive(serde::Deserialize, serde::Serialize)]` to `{Self}`",
    note = "or create the topic with `hub.local_topic(name)`: its values stay in this process, and only handlers receive them",
    note = "or pass a codec of your own: `hub.topic_with(name, codec)`"
)]
pub trait JsonValue: serde::Serialize + serde::de::DeserializeOwned {}

#[cfg(feature = "json")]
#[diagnostic::do_not_recommend]
impl<T: serde::Serialize + serde::de::DeserializeOwned> JsonValue for T {}

/// A codec of any type.
pub(super) trait ErasedCodec<T>: Send + Sync {
    /// Encodes a value as a message for clients.
    fn encode(&self, value: &T) -> Result<Arc<PreparedMessage>, PublishError>;

    /// Wraps an encoded value of another process in a message for clients.
    fn frame(&self, payload: &[u8]) -> Result<Arc<PreparedMessage>, BoxError>;

    /// Decodes a value of another process.
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
        // Checked once here: clients have to close the connection on invalid UTF-8.
        Ok(Arc::new(PreparedMessage::text(std::str::from_utf8(payload)?)))
    }

    fn decode(&self, payload: &[u8]) -> Result<T, BoxError> {
        Codec::decode(self, payload)
    }
}
