//! The type of an argument, which the compiler reports once if it cannot be one.

use std::marker::PhantomData;

use serde::{Deserialize, Deserializer};

use super::arguments::{ArgumentSlot, OneArgument};
use crate::envelope::CallError;

/// An argument of a named method: any type with serde's `Deserialize`. An `Option` may be left out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a named message",
    label = "not `serde::Deserialize`",
    note = "add `#[derive(serde::Deserialize)]` to a type of your own",
    note = "take text as `&str` or `String`; `Json<T>` is not needed here: take `T`"
)]
pub trait Argument<'de> {}

#[diagnostic::do_not_recommend]
impl<'de, T: Deserialize<'de>> Argument<'de> for T {}

/// The type of an argument.
///
/// Generated code calls `slot` on it. The inherent method is for types that can be arguments, and wins over the method
/// of [`UnusableArgument`].
#[derive(Debug)]
pub struct ArgumentType<T>(PhantomData<T>);

impl<T> ArgumentType<T> {
    /// Creates the type.
    #[expect(clippy::new_without_default, reason = "only generated code creates it")]
    #[inline]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<'de, T: Deserialize<'de>> ArgumentType<T> {
    /// Returns the empty place of an argument.
    #[inline]
    pub fn slot(self) -> OneArgument<T> {
        OneArgument::new()
    }
}

/// The type of an argument that cannot be one. The bound is on the method, so that the compiler reports the type there,
/// and nowhere else.
pub trait UnusableArgument<T> {
    /// Returns a place for code that does not compile.
    fn slot<'de>(self) -> UnusableSlot<T>
    where
        T: Argument<'de>;
}

impl<T> UnusableArgument<T> for ArgumentType<T> {
    fn slot<'de>(self) -> UnusableSlot<T>
    where
        T: Argument<'de>,
    {
        UnusableSlot(PhantomData)
    }
}

/// The place of an argument that cannot be one.
#[derive(Debug)]
pub struct UnusableSlot<T>(PhantomData<T>);

impl<'de, T> ArgumentSlot<'de> for UnusableSlot<T> {
    type Value = T;

    fn fill<D: Deserializer<'de>>(&mut self, _: &str, _: D) -> Result<(), D::Error> {
        unreachable!("code with errors does not run")
    }

    fn take(self, _: &str) -> Result<T, CallError> {
        unreachable!("code with errors does not run")
    }
}
