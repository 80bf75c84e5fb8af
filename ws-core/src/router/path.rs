//! A serde deserializer of path parameters.

use std::fmt::{self, Display};

use percent_encoding::percent_decode_str;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

/// The names and decoded values of a path's parameters, in order. Parameters with a name like `{_name}`
/// are left out.
#[derive(Clone, Debug, Default)]
pub(super) struct PathParams {
    values: Vec<(String, String)>,
    /// The name of a parameter whose bytes are not UTF-8.
    invalid: Option<String>,
}

impl PathParams {
    pub(super) fn new(params: &matchit::Params<'_, '_>) -> Self {
        let mut decoded = Self::default();
        for (name, value) in params.iter().filter(|(name, _)| !name.starts_with('_')) {
            match percent_decode_str(value).decode_utf8() {
                Ok(value) => decoded.values.push((name.to_owned(), value.into_owned())),
                Err(_) => decoded.invalid = Some(name.to_owned()),
            }
        }
        decoded
    }
}

/// The reason why the parameters cannot be deserialized.
#[derive(Debug)]
pub(super) enum PathError {
    /// The handler's path has other parameters than the type expects.
    Mismatch(String),
    /// The client's path has an invalid value.
    InvalidValue(String),
}

impl Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch(text) | Self::InvalidValue(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for PathError {}

impl de::Error for PathError {
    fn custom<T: Display>(text: T) -> Self {
        Self::InvalidValue(text.to_string())
    }

    fn invalid_length(len: usize, expected: &dyn de::Expected) -> Self {
        Self::Mismatch(format!("{len} parameters where {expected} is expected"))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::Mismatch(format!("unexpected parameter `{field}`"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Mismatch(format!("no parameter `{field}`"))
    }
}

/// Deserializes a single parameter as a value, or all of them as a tuple, struct or map.
pub(super) fn deserialize<T: DeserializeOwned>(params: &PathParams) -> Result<T, PathError> {
    match &params.invalid {
        Some(name) => Err(de::Error::custom(format_args!("parameter `{name}` is not UTF-8"))),
        None => T::deserialize(ParamsDeserializer(&params.values)),
    }
}

/// Like [`deserialize`], but takes a requested path; returns `None` if it does not match the pattern.
#[cfg(all(any(test, fuzzing), feature = "deflate"))]
pub fn parameters<T: DeserializeOwned>(pattern: &str, path: &str) -> Option<Result<T, String>> {
    let mut paths = matchit::Router::new();
    paths.insert(pattern, ()).ok()?;
    let path = super::pattern::normalize(path);
    let matched = paths.at(&path).ok()?;
    Some(deserialize(&PathParams::new(&matched.params)).map_err(|error| error.to_string()))
}

struct ParamsDeserializer<'a>(&'a [(String, String)]);

impl<'a> ParamsDeserializer<'a> {
    fn single(&self) -> Result<ValueDeserializer<'a>, PathError> {
        match self.0 {
            [(_, value)] => Ok(ValueDeserializer(value)),
            more => Err(PathError::Mismatch(format!("{} parameters where one is expected", more.len()))),
        }
    }
}

macro_rules! single {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
            self.single()?.$method(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for ParamsDeserializer<'de> {
    type Error = PathError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
        let pairs = self.0.iter().map(|(name, value)| (name.as_str(), ValueDeserializer(value)));
        visitor.visit_map(MapDeserializer::new(pairs))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
        visitor.visit_seq(SeqDeserializer::new(self.0.iter().map(|(_, value)| ValueDeserializer(value))))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, PathError> {
        if self.0.len() != len {
            let count = self.0.len();
            return Err(PathError::Mismatch(format!("{count} parameters where {len} are expected")));
        }
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, PathError> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, PathError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PathError> {
        self.single()?.deserialize_enum(name, variants, visitor)
    }

    single! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_bytes deserialize_byte_buf deserialize_option deserialize_identifier
    }

    forward_to_deserialize_any! { unit unit_struct map ignored_any struct }
}

/// A deserializer of one value, which parses the value as the requested type.
struct ValueDeserializer<'a>(&'a str);

impl<'de> IntoDeserializer<'de, PathError> for ValueDeserializer<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parse_value {
    ($($method:ident $visit:ident $type:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
            match self.0.parse() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(de::Error::custom(format_args!("{:?} is not a valid {}", self.0, $type))),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for ValueDeserializer<'de> {
    type Error = PathError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, PathError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PathError> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    parse_value! {
        deserialize_bool visit_bool "boolean";
        deserialize_i8 visit_i8 "i8";
        deserialize_i16 visit_i16 "i16";
        deserialize_i32 visit_i32 "i32";
        deserialize_i64 visit_i64 "i64";
        deserialize_i128 visit_i128 "i128";
        deserialize_u8 visit_u8 "u8";
        deserialize_u16 visit_u16 "u16";
        deserialize_u32 visit_u32 "u32";
        deserialize_u64 visit_u64 "u64";
        deserialize_u128 visit_u128 "u128";
        deserialize_f32 visit_f32 "number";
        deserialize_f64 visit_f64 "number";
        deserialize_char visit_char "character";
    }

    forward_to_deserialize_any! {
        str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[track_caller]
    fn check<T: DeserializeOwned + PartialEq + std::fmt::Debug>(
        params: &[(&str, &str)],
        expect: Result<T, &str>,
    ) {
        let owned = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let got = deserialize::<T>(&PathParams { values: owned.collect(), invalid: None });
        assert_eq!(got.map_err(|error| error.to_string()), expect.map_err(str::to_owned));
    }

    #[derive(serde::Deserialize, PartialEq, Debug)]
    struct Seat {
        room: String,
        seat: Option<u32>,
    }

    #[derive(serde::Deserialize, PartialEq, Debug)]
    struct Id(u64);

    #[derive(serde::Deserialize, PartialEq, Debug)]
    #[serde(rename_all = "lowercase")]
    enum Side {
        Left,
    }

    #[test]
    fn shapes() {
        let two = &[("room", "lobby"), ("seat", "7")];
        check(two, Ok(("lobby".to_owned(), 7_u8)));
        check(two, Ok(Seat { room: "lobby".into(), seat: Some(7) }));
        check(two, Ok(vec!["lobby".to_owned(), "7".to_owned()]));
        check(two, Ok(HashMap::from([("room".to_owned(), "lobby".to_owned()), ("seat".into(), "7".into())])));
        check(&[("id", "5")], Ok(Id(5)));
        check(&[("id", "5")], Ok((5_i64,)));
        check(&[("side", "left")], Ok(Side::Left));
        check(&[("id", "5")], Ok("5".to_owned()));
        check::<u8>(&[("id", "256")], Err("\"256\" is not a valid u8"));
        check::<String>(two, Err("2 parameters where one is expected"));
        check::<(u8,)>(two, Err("2 parameters where 1 are expected"));
        check::<Seat>(&[("seat", "7")], Err("no parameter `room`"));
    }
}
