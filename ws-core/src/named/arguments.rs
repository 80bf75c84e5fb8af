//! The arguments of a named method, deserialized by position or by name straight from the message.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::value::Error as MissingError;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::value::RawValue;

use crate::envelope::CallError;

/// All parameters of a call or a message as one value: the only argument of the method besides `cx`.
///
/// Without it, each argument is one parameter. A parameter list of more than eight, or of another shape than an
/// array or an object, is a `Params<T>` with a type of your own. Without parameters, `T` is deserialized from
/// `null`.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// #[derive(serde::Deserialize)]
/// struct Search { text: String, limit: Option<usize> }
///
/// #[websocket(path = "/", envelope = JsonRpc)]
/// #[derive(Default)]
/// struct Library;
///
/// #[websocket]
/// impl Library {
///     #[on_call]
///     fn search(&mut self, Params(search): Params<Search>) -> Vec<String> {
///         vec![search.text; search.limit.unwrap_or(1)]
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Library).await;
/// client.send(r#"{"jsonrpc": "2.0", "id": 1, "method": "search", "params": {"text": "dune"}}"#).await;
/// assert_eq!(client.text().await, r#"{"jsonrpc":"2.0","result":["dune"],"id":1}"#);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params<T>(pub T);

/// The type of an argument that takes all parameters: [`Params`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot take the parameters of a named message",
    label = "not `ws_core::Params` of a type that is `serde::Deserialize`",
    note = "write `Params<T>` of this crate, with a `T` that is `serde::Deserialize`"
)]
pub trait WholeParams<'de>: Sized {
    /// Deserializes all parameters.
    fn from_params(params: &'de str) -> Result<Self, CallError>;
}

impl<'de, T: Deserialize<'de>> WholeParams<'de> for Params<T> {
    fn from_params(params: &'de str) -> Result<Self, CallError> {
        serde_json::from_str(params).map(Self).map_err(|error| invalid(&error))
    }
}

/// Deserializes all parameters as one value.
///
/// # Errors
///
/// Returns the error −32602 if they do not fit.
pub fn params<'de, T: WholeParams<'de>>(params: Option<&'de RawValue>) -> Result<T, CallError> {
    T::from_params(params.map_or("null", RawValue::get))
}

/// The place of one argument.
pub trait ArgumentSlot<'de> {
    /// The argument.
    type Value;

    /// Deserializes the argument. A second value is an error.
    fn fill<D: Deserializer<'de>>(&mut self, name: &str, from: D) -> Result<(), D::Error>;

    /// Returns the argument. A missing one is an error, unless it is optional.
    fn take(self, name: &str) -> Result<Self::Value, CallError>;
}

/// The place of an argument of type `T`.
#[derive(Debug)]
pub struct OneArgument<T>(Option<T>);

impl<T> OneArgument<T> {
    /// Creates the empty place.
    #[inline]
    pub(super) const fn new() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> ArgumentSlot<'de> for OneArgument<T> {
    type Value = T;

    #[inline]
    fn fill<D: Deserializer<'de>>(&mut self, name: &str, from: D) -> Result<(), D::Error> {
        if self.0.is_some() {
            return Err(D::Error::custom(format_args!("parameter `{name}` is there twice")));
        }
        match T::deserialize(from) {
            Ok(value) => self.0 = Some(value),
            Err(error) => return Err(D::Error::custom(format_args!("parameter `{name}`: {error}"))),
        }
        Ok(())
    }

    #[inline]
    fn take(self, name: &str) -> Result<T, CallError> {
        match self.0 {
            Some(value) => Ok(value),
            None => T::deserialize(Missing)
                .map_err(|_| CallError::invalid_params(format!("parameter `{name}` is missing"))),
        }
    }
}

/// Returns whether an argument may be left out.
#[cfg(feature = "contract")]
pub(crate) fn is_optional<T: Deserialize<'static>>() -> bool {
    T::deserialize(Missing).is_ok()
}

/// The deserializer of a parameter that is missing: `None` for an `Option`, an error for other types.
struct Missing;

impl<'de> Deserializer<'de> for Missing {
    type Error = MissingError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, MissingError> {
        Err(MissingError::custom(""))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, MissingError> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// An argument `&str`. Borrows from the message, unless the text has escapes.
#[derive(Debug)]
pub struct TextArgument<'a>(Cow<'a, str>);

impl Deref for TextArgument<'_> {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for TextArgument<'de> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// The places of all arguments of a method.
pub trait ArgumentSlots<'de> {
    /// The arguments, as a tuple.
    type Values;

    /// Deserializes the argument at an index below the number of arguments.
    fn fill<D: Deserializer<'de>>(&mut self, index: usize, name: &str, from: D) -> Result<(), D::Error>;

    /// Returns the arguments.
    fn take(self, names: &'static [&'static str]) -> Result<Self::Values, CallError>;
}

macro_rules! slots {
    ($($($slot:ident $index:tt)*;)*) => {$(
        impl<'de, $($slot: ArgumentSlot<'de>),*> ArgumentSlots<'de> for ($($slot,)*) {
            type Values = ($($slot::Value,)*);

            #[inline]
            fn fill<D: Deserializer<'de>>(
                &mut self,
                index: usize,
                name: &str,
                from: D,
            ) -> Result<(), D::Error> {
                match index {
                    $($index => self.$index.fill(name, from),)*
                    _ => {
                        let _ = (name, from);
                        Ok(())
                    }
                }
            }

            #[inline]
            fn take(self, names: &'static [&'static str]) -> Result<Self::Values, CallError> {
                let _ = names;
                Ok(($(self.$index.take(names[$index])?,)*))
            }
        }
    )*};
}

slots! {
    ;
    S0 0;
    S0 0 S1 1;
    S0 0 S1 1 S2 2;
    S0 0 S1 1 S2 2 S3 3;
    S0 0 S1 1 S2 2 S3 3 S4 4;
    S0 0 S1 1 S2 2 S3 3 S4 4 S5 5;
    S0 0 S1 1 S2 2 S3 3 S4 4 S5 5 S6 6;
    S0 0 S1 1 S2 2 S3 3 S4 4 S5 5 S6 6 S7 7;
}

/// Deserializes the arguments from an array, by position, or from an object, by name. Members without an
/// argument are ignored; an array with too many elements is an error.
///
/// # Errors
///
/// Returns the error −32602 if the parameters do not fit.
#[inline]
pub fn arguments<'de, S: ArgumentSlots<'de>>(
    params: Option<&'de RawValue>,
    names: &'static [&'static str],
    mut slots: S,
) -> Result<S::Values, CallError> {
    if let Some(params) = params.map(RawValue::get).filter(|params| *params != "null") {
        let visitor = ParamsVisitor { slots: &mut slots, names };
        serde_json::Deserializer::from_str(params)
            .deserialize_any(visitor)
            .map_err(|error| invalid(&error))?;
    }
    slots.take(names)
}

#[cold]
fn invalid(error: &serde_json::Error) -> CallError {
    CallError::invalid_params(format!("invalid parameters: {error}"))
}

struct ParamsVisitor<'s, S> {
    slots: &'s mut S,
    names: &'static [&'static str],
}

impl<'de, S: ArgumentSlots<'de>> Visitor<'de> for ParamsVisitor<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the parameters in an array or an object")
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        for (index, name) in self.names.iter().enumerate() {
            let seed = Fill { slots: self.slots, index, name };
            if seq.next_element_seed(seed)?.is_none() {
                return Ok(());
            }
        }
        match seq.next_element::<IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(A::Error::custom(format_args!("more than {} parameters", self.names.len()))),
        }
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(index) = map.next_key_seed(NameIndex(self.names))? {
            match self.names.get(index) {
                Some(name) => map.next_value_seed(Fill { slots: self.slots, index, name })?,
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

/// The seed of one argument, which is deserialized into its place.
struct Fill<'s, S> {
    slots: &'s mut S,
    index: usize,
    name: &'static str,
}

impl<'de, S: ArgumentSlots<'de>> DeserializeSeed<'de> for Fill<'_, S> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        self.slots.fill(self.index, self.name, from)
    }
}

/// The seed of a member's name, which becomes an index. A name that no argument has gets an index beyond the last.
struct NameIndex(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for NameIndex {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<usize, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl Visitor<'_> for NameIndex {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a parameter")
    }

    fn visit_str<E>(self, name: &str) -> Result<usize, E> {
        Ok(self.0.iter().position(|known| *known == name).unwrap_or(usize::MAX))
    }
}
