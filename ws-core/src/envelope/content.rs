//! The content of an enum's variant, as serde writes it, without the name of the variant.

use serde::ser::{
    Serialize, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleVariant, Serializer,
};

/// The content of a message.
pub(super) struct Content<'a, T>(pub(super) &'a T);

impl<T: Serialize> Serialize for Content<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(ContentSerializer(to))
    }
}

/// The serializer that leaves out the name of a variant.
struct ContentSerializer<S>(S);

/// Forwards values that are not variants, which a `Serialize` by hand may write.
macro_rules! forward {
    ($($name:ident($($arg:ident: $type:ty),*) -> $output:ty;)*) => {$(
        fn $name(self, $($arg: $type),*) -> Result<$output, S::Error> {
            self.0.$name($($arg),*)
        }
    )*};
}

impl<S: Serializer> Serializer for ContentSerializer<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = S::SerializeSeq;
    type SerializeTuple = S::SerializeTuple;
    type SerializeTupleStruct = S::SerializeTupleStruct;
    type SerializeTupleVariant = VariantContent<S::SerializeTuple>;
    type SerializeMap = S::SerializeMap;
    type SerializeStruct = S::SerializeStruct;
    type SerializeStructVariant = VariantContent<S::SerializeStruct>;

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<S::Ok, S::Error> {
        self.0.serialize_unit()
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(self.0)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.0.serialize_tuple(len).map(VariantContent)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.0.serialize_struct(variant, len).map(VariantContent)
    }

    forward! {
        serialize_bool(value: bool) -> S::Ok;
        serialize_i8(value: i8) -> S::Ok;
        serialize_i16(value: i16) -> S::Ok;
        serialize_i32(value: i32) -> S::Ok;
        serialize_i64(value: i64) -> S::Ok;
        serialize_i128(value: i128) -> S::Ok;
        serialize_u8(value: u8) -> S::Ok;
        serialize_u16(value: u16) -> S::Ok;
        serialize_u32(value: u32) -> S::Ok;
        serialize_u64(value: u64) -> S::Ok;
        serialize_u128(value: u128) -> S::Ok;
        serialize_f32(value: f32) -> S::Ok;
        serialize_f64(value: f64) -> S::Ok;
        serialize_char(value: char) -> S::Ok;
        serialize_str(value: &str) -> S::Ok;
        serialize_bytes(value: &[u8]) -> S::Ok;
        serialize_none() -> S::Ok;
        serialize_unit() -> S::Ok;
        serialize_unit_struct(name: &'static str) -> S::Ok;
        serialize_seq(len: Option<usize>) -> S::SerializeSeq;
        serialize_tuple(len: usize) -> S::SerializeTuple;
        serialize_tuple_struct(name: &'static str, len: usize) -> S::SerializeTupleStruct;
        serialize_map(len: Option<usize>) -> S::SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> S::SerializeStruct;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(value)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_struct(name, value)
    }
}

/// A variant with several values, written as a tuple or a struct.
struct VariantContent<S>(S);

impl<S: SerializeTuple> SerializeTupleVariant for VariantContent<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.0.serialize_element(value)
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

impl<S: SerializeStruct> SerializeStructVariant for VariantContent<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), S::Error> {
        self.0.serialize_field(name, value)
    }

    fn skip_field(&mut self, name: &'static str) -> Result<(), S::Error> {
        self.0.skip_field(name)
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_string};

    use super::*;

    #[derive(serde::Serialize)]
    struct Price {
        amount: u32,
    }

    #[derive(serde::Serialize)]
    enum Event {
        Nothing,
        Price(Price),
        Text(&'static str),
        Pair(u8, Option<u8>),
        Halted {
            #[serde(rename = "ticker")]
            symbol: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            until: Option<u8>,
        },
    }

    #[track_caller]
    fn check(value: &impl Serialize, expect: &str) {
        assert_eq!(to_string(&Content(value)).unwrap(), expect);
    }

    #[test]
    fn variants_are_written_without_their_names() {
        check(&Event::Nothing, "null");
        check(&Event::Price(Price { amount: 3 }), r#"{"amount":3}"#);
        check(&Event::Text("a"), r#""a""#);
        check(&Event::Pair(1, None), "[1,null]");
        check(&Event::Halted { symbol: "A", until: None }, r#"{"ticker":"A"}"#);
        check(&Event::Halted { symbol: "A", until: Some(1) }, r#"{"ticker":"A","until":1}"#);
    }

    /// A `Serialize` by hand may write any value.
    #[test]
    fn other_values_are_written_as_they_are() {
        check(&json!({ "a": [1, -2, 0.5, true, null, "x"] }), r#"{"a":[1,-2,0.5,true,null,"x"]}"#);
        check(&Some(("a", 'b', 1_u128, -1_i128)), r#"["a","b",1,-1]"#);
        check(&Price { amount: 1 }, r#"{"amount":1}"#);
        check(&(), "null");
    }
}
