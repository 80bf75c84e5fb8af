//! Topics whose messages clients get in an envelope.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;

use super::codec::Codec;
use crate::envelope::{Envelope, Incoming, Messages, write_message};
use crate::error::BoxError;

/// The codec of a topic whose messages clients get in the envelope `E`: for
/// [`Hub::topic_with`](crate::Hub::topic_with).
///
/// Handlers with that envelope [forward](crate::Context::forward) the topic to their clients. A message is written
/// once for all of them, and for the other processes of a cluster.
///
/// ```
/// # use ws_core::{prelude::*, EnvelopeCodec, JsonRpc, Messages, test::TestClient};
/// #[derive(Messages, serde::Deserialize, serde::Serialize)]
/// enum Event { Price(f64) }
///
/// #[websocket(envelope = JsonRpc, sends = Event)]
/// struct Board { events: Topic<Event> }
///
/// #[websocket]
/// impl Board {
///     #[on_open]
///     fn open(&mut self, cx: &mut Context<Self>) {
///         cx.forward(&self.events);
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let events = Hub::local().topic_with("events", EnvelopeCodec::<JsonRpc>::new());
/// let mut client = TestClient::open(Board { events: events.clone() }).await;
/// events.publish(Event::Price(2.5)).unwrap();
/// assert_eq!(client.text().await, r#"{"jsonrpc":"2.0","method":"price","params":[2.5]}"#);
/// # }
/// ```
pub struct EnvelopeCodec<E>(PhantomData<fn() -> E>);

impl<E: Envelope> EnvelopeCodec<E> {
    /// Creates the codec.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<E: Envelope> Default for EnvelopeCodec<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> fmt::Debug for EnvelopeCodec<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnvelopeCodec")
    }
}

impl<E: Envelope, M: Messages + DeserializeOwned> Codec<M> for EnvelopeCodec<E> {
    const IS_TEXT: bool = true;

    fn encode(&self, message: &M, out: &mut Vec<u8>) -> Result<(), BoxError> {
        Ok(write_message::<E, M>(message, out)?)
    }

    fn decode(&self, bytes: &[u8]) -> Result<M, BoxError> {
        let Incoming::Message { name, params } = E::open(std::str::from_utf8(bytes)?) else {
            return Err("not a message in the envelope".into());
        };
        let Some(index) = M::NAMES.iter().position(|known| *known == name) else {
            return Err(format!("unknown message `{name}`").into());
        };
        let index = u32::try_from(index)?;
        let params = params.map_or("null", RawValue::get);
        match M::deserialize(VariantDeserializer { index, params }) {
            Ok(message) => Ok(message),
            // JSON-RPC has single values in an array.
            Err(error) => {
                let Ok([value]) = serde_json::from_str::<[&RawValue; 1]>(params) else {
                    return Err(error.into());
                };
                Ok(M::deserialize(VariantDeserializer { index, params: value.get() })?)
            }
        }
    }
}

/// The deserializer of a message: the variant is known by its index, and its content is JSON.
struct VariantDeserializer<'a> {
    index: u32,
    params: &'a str,
}

impl<'de> Deserializer<'de> for VariantDeserializer<'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_enum(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct option
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for VariantDeserializer<'de> {
    type Error = serde_json::Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Self::Error> {
        let index: U32Deserializer<Self::Error> = self.index.into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> VariantAccess<'de> for VariantDeserializer<'de> {
    type Error = serde_json::Error;

    fn unit_variant(self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Self::Error> {
        let mut from = serde_json::Deserializer::from_str(self.params);
        let value = seed.deserialize(&mut from)?;
        from.end()?;
        Ok(value)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Self::Error> {
        serde_json::Deserializer::from_str(self.params).deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        if self.params == "null" {
            return Err(Self::Error::custom("the content is missing"));
        }
        serde_json::Deserializer::from_str(self.params).deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JsonRpc, Tagged};

    #[derive(Debug, PartialEq, ws_macros::Messages, serde::Deserialize, serde::Serialize)]
    enum Event {
        Price(f64),
        List(Vec<u8>),
        #[message("market.closed")]
        Closed,
        Pair(u8, String),
        Halted {
            symbol: String,
        },
    }

    #[track_caller]
    fn check<E: Envelope>(event: &Event, expect: &str) {
        let codec = EnvelopeCodec::<E>::new();
        let mut text = Vec::new();
        Codec::encode(&codec, event, &mut text).unwrap();
        assert_eq!(str::from_utf8(&text).unwrap(), expect);
        let decoded: Event = Codec::decode(&codec, &text).unwrap();
        assert_eq!(decoded, *event);
    }

    #[test]
    fn messages_survive_a_broker() {
        check::<JsonRpc>(&Event::Price(0.5), r#"{"jsonrpc":"2.0","method":"price","params":[0.5]}"#);
        check::<JsonRpc>(&Event::List(vec![1]), r#"{"jsonrpc":"2.0","method":"list","params":[1]}"#);
        check::<JsonRpc>(&Event::Closed, r#"{"jsonrpc":"2.0","method":"market.closed"}"#);
        check::<JsonRpc>(
            &Event::Pair(1, "a".into()),
            r#"{"jsonrpc":"2.0","method":"pair","params":[1,"a"]}"#,
        );
        let halted = Event::Halted { symbol: "A".into() };
        check::<JsonRpc>(&halted, r#"{"jsonrpc":"2.0","method":"halted","params":{"symbol":"A"}}"#);
        check::<Tagged>(&halted, r#"{"type":"halted","symbol":"A"}"#);
    }

    #[test]
    fn other_texts_are_errors() {
        let codec = EnvelopeCodec::<JsonRpc>::new();
        for text in [
            &b"\xff"[..],
            b"{}",
            br#"{"jsonrpc":"2.0","method":"none"}"#,
            br#"{"jsonrpc":"2.0","method":"halted"}"#,
            br#"{"jsonrpc":"2.0","method":"price","params":["a"]}"#,
        ] {
            assert!(Codec::<Event>::decode(&codec, text).is_err());
        }
    }
}
