//! Values from the parameters of a message.

use std::fmt;

use serde::de::value::U64Deserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;
use serde_json::{Error, from_str};

use crate::envelope::{Messages, is_one_name};

/// Reads all parameters as one value.
///
/// JSON-RPC 2.0 has only arrays and objects, so that [`JsonRpc`](crate::JsonRpc) puts another value into an array.
pub(super) fn read_params<T: DeserializeOwned>(params: Option<&RawValue>) -> Result<T, Error> {
    read_or_unwrap(params, |params| from_str(params))
}

/// Reads a message by its name. `None` if the enum has no such message.
pub(super) fn read_message<M>(name: &str, params: Option<&RawValue>) -> Option<Result<M, Error>>
where
    M: Messages + DeserializeOwned,
{
    let index = M::NAMES.iter().position(|known| *known == name)?;
    let name = M::VARIANTS.get(index).copied().unwrap_or_default();
    Some(read_or_unwrap(params, |params| M::deserialize(MessageVariant { index, name, params })))
}

/// Reads a value, or else the only element of an array.
fn read_or_unwrap<T>(params: Option<&RawValue>, read: impl Fn(&str) -> Result<T, Error>) -> Result<T, Error> {
    let params = params.map_or("null", RawValue::get);
    read(params).or_else(|error| match from_str::<[&RawValue; 1]>(params) {
        Ok([only]) => read(only.get()).map_err(|_| error),
        Err(_) => Err(error),
    })
}

/// The content of a variant with a known index and name: the opposite of the content that the server writes.
struct MessageVariant<'de> {
    index: usize,
    name: &'static str,
    params: &'de str,
}

impl<'de> Deserializer<'de> for MessageVariant<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("messages are an enum without attributes of serde for its representation"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        // Variants that serde skips are not counted. Variants with one name in two cases are told apart by the index.
        let is_named = |index: usize| variants.get(index).is_some_and(|name| is_one_name(name, self.name));
        let index = Some(self.index).filter(|index| is_named(*index));
        match index.or_else(|| (0..variants.len()).find(|index| is_named(*index))) {
            Some(index) => visitor.visit_enum(MessageVariant { index, ..self }),
            None => Err(Error::custom("serde skips this message")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for MessageVariant<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let index: U64Deserializer<Error> = (self.index as u64).into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> VariantAccess<'de> for MessageVariant<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        let mut json = serde_json::Deserializer::from_str(self.params);
        let value = seed.deserialize(&mut json)?;
        json.end()?;
        Ok(value)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        serde_json::Deserializer::from_str(self.params).deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        serde_json::Deserializer::from_str(self.params).deserialize_struct("", fields, visitor)
    }
}

impl fmt::Debug for MessageVariant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageVariant").field("index", &self.index).finish_non_exhaustive()
    }
}
