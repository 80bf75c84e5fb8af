//! The contents of messages without an envelope: payloads and replies.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tungstenite::Utf8Bytes;

use super::describe::{MethodText, add_client_message, add_server_message};
use crate::close::Close;
use crate::contract_model::{ContentContract, Description, FrameContract, HasSchema};
use crate::error::DecodeError;
use crate::json::Json;
use crate::message::{Message, Ping, Pong};
use crate::reply::{AnyReply, Goto, SendsOnly, Unchecked};
use crate::work::Deferred;

/// The contents that a type of payload or reply may have.
///
/// ```
/// use ws_core::contract::{ContentList, DescribePayload};
/// use ws_core::prelude::*;
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Command { name: String }
///
/// /// JSON, or nothing for an empty text.
/// struct MaybeCommand(Option<Command>);
///
/// impl FromText<'_> for MaybeCommand {
///     fn from_text(text: &str) -> Result<Self, DecodeError> {
///         if text.is_empty() { return Ok(Self(None)) }
///         Json::from_text(text).map(|Json(command)| Self(Some(command)))
///     }
/// }
///
/// impl DescribePayload for MaybeCommand {
///     fn describe_payload(contents: &mut ContentList<'_>) {
///         contents.json::<Command>();
///     }
/// }
/// ```
#[derive(Debug)]
pub struct ContentList<'a> {
    to: &'a mut Description,
    is_read: bool,
    found: Vec<(FrameContract, ContentContract)>,
}

impl<'a> ContentList<'a> {
    fn new(to: &'a mut Description, is_read: bool) -> Self {
        Self { to, is_read, found: Vec::new() }
    }

    /// Adds a text without a schema.
    pub fn text(&mut self) {
        self.add(FrameContract::Text, ContentContract::Raw);
    }

    /// Adds bytes without a schema.
    pub fn binary(&mut self) {
        self.add(FrameContract::Binary, ContentContract::Raw);
    }

    /// Adds a text that is JSON of a type.
    pub fn json<T: HasSchema>(&mut self) {
        let schema = if self.is_read { self.to.read::<T>() } else { self.to.written::<T>() };
        self.add(FrameContract::Text, ContentContract::json(schema));
    }

    fn add(&mut self, frame: FrameContract, content: ContentContract) {
        if !self.found.contains(&(frame, content.clone())) {
            self.found.push((frame, content));
        }
    }
}

/// A payload of `#[on_text]` or `#[on_binary]` that a contract can describe.
///
/// All payloads of this crate are. Implement the trait for a type with an own `FromText` or `FromBinary`; the
/// example is at [`ContentList`].
#[diagnostic::on_unimplemented(
    message = "the contract cannot describe the payload `{Self}`",
    label = "does not implement `ws_core::contract::DescribePayload`",
    note = "implement `DescribePayload` for it, beside `FromText` or `FromBinary`"
)]
pub trait DescribePayload {
    /// Adds the contents, with the schemas of the types as they are read.
    fn describe_payload(contents: &mut ContentList<'_>);
}

/// A reply that a contract can describe.
///
/// All replies of this crate are. Implement the trait for a type with an own `IntoReply`:
///
/// ```
/// use ws_core::contract::{ContentList, DescribeReply};
/// use ws_core::prelude::*;
///
/// struct Celsius(f64);
///
/// impl IntoReply for Celsius {
///     fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
///         Json(self.0).into_reply(to)
///     }
/// }
///
/// impl DescribeReply for Celsius {
///     fn describe_reply(contents: &mut ContentList<'_>) {
///         contents.json::<f64>();
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "the contract cannot describe the reply `{Self}`",
    label = "does not implement `ws_core::contract::DescribeReply`",
    note = "implement `DescribeReply` for it, beside `IntoReply`; a type inside of `Json` needs `schemars::JsonSchema`"
)]
pub trait DescribeReply {
    /// Adds the contents, with the schemas of the types as they are written.
    fn describe_reply(contents: &mut ContentList<'_>);
}

/// The reply of a method, in a handler that sends `S`: the messages of an enum, or any reply.
#[diagnostic::on_unimplemented(
    message = "the contract cannot describe the reply `{Self}`",
    label = "does not implement `ws_core::contract::DescribeReply`",
    note = "implement `DescribeReply` for it, beside `IntoReply`; a type inside of `Json` needs `schemars::JsonSchema`"
)]
pub trait ReplyContract<S> {
    /// Adds the contents.
    fn describe(contents: &mut ContentList<'_>);
}

#[diagnostic::do_not_recommend]
impl<R: DescribeReply> ReplyContract<AnyReply> for R {
    fn describe(contents: &mut ContentList<'_>) {
        R::describe_reply(contents);
    }
}

/// The option `sends` describes the messages of such a handler.
impl<R, M> ReplyContract<SendsOnly<M>> for R {
    fn describe(_: &mut ContentList<'_>) {}
}

impl<R> ReplyContract<Unchecked> for R {
    fn describe(_: &mut ContentList<'_>) {}
}

/// Describes a method for messages without an envelope.
pub(super) fn payload<P: DescribePayload>(to: &mut Description, method: MethodText, frame: FrameContract) {
    let mut contents = ContentList::new(to, true);
    P::describe_payload(&mut contents);
    for (_, content) in contents.found {
        add_client_message(to, method, frame, content);
    }
}

/// Describes the text messages of a method.
pub fn text_payload<P: DescribePayload>(to: &mut Description, method: MethodText) {
    payload::<P>(to, method, FrameContract::Text);
}

/// Describes the binary messages of a method.
pub fn binary_payload<P: DescribePayload>(to: &mut Description, method: MethodText) {
    payload::<P>(to, method, FrameContract::Binary);
}

/// Describes a method for the parts of messages.
pub fn parts(to: &mut Description, method: MethodText) {
    for frame in [FrameContract::Text, FrameContract::Binary] {
        add_client_message(to, method, frame, ContentContract::Raw);
    }
}

/// Describes what a method returns.
pub fn reply<R: ReplyContract<S>, S>(to: &mut Description, method: MethodText) {
    let mut contents = ContentList::new(to, false);
    R::describe(&mut contents);
    for content in contents.found {
        add_server_message(to, method, content);
    }
}

macro_rules! raw {
    ($($kind:ident: $($type:ty),*;)*) => {$($(
        impl DescribePayload for $type {
            fn describe_payload(contents: &mut ContentList<'_>) {
                contents.$kind();
            }
        }

        impl DescribeReply for $type {
            fn describe_reply(contents: &mut ContentList<'_>) {
                contents.$kind();
            }
        }
    )*)*};
}

raw! {
    text: &str, String, &String, Utf8Bytes, Box<str>, Arc<str>, Cow<'_, str>, fmt::Arguments<'_>;
    binary: &[u8], Vec<u8>, &Vec<u8>, Bytes, Box<[u8]>, Arc<[u8]>, Cow<'_, [u8]>;
}

impl<const N: usize> DescribeReply for &[u8; N] {
    fn describe_reply(contents: &mut ContentList<'_>) {
        contents.binary();
    }
}

impl<T: HasSchema> DescribePayload for Json<T> {
    fn describe_payload(contents: &mut ContentList<'_>) {
        contents.json::<T>();
    }
}

impl<T: HasSchema> DescribeReply for Json<T> {
    fn describe_reply(contents: &mut ContentList<'_>) {
        contents.json::<T>();
    }
}

impl<P: DescribePayload> DescribePayload for Result<P, DecodeError> {
    fn describe_payload(contents: &mut ContentList<'_>) {
        P::describe_payload(contents);
    }
}

impl DescribeReply for Message {
    fn describe_reply(contents: &mut ContentList<'_>) {
        contents.text();
        contents.binary();
    }
}

macro_rules! silent {
    ($($type:ty),*) => {$(
        impl DescribeReply for $type {
            fn describe_reply(_: &mut ContentList<'_>) {}
        }
    )*};
}

silent!((), Infallible, Ping, Pong, Close);

impl<S: Send + 'static> DescribeReply for Goto<S> {
    fn describe_reply(_: &mut ContentList<'_>) {}
}

macro_rules! forward {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<R: DescribeReply, $($generics)*> DescribeReply for $type {
            fn describe_reply(contents: &mut ContentList<'_>) {
                R::describe_reply(contents);
            }
        }
    )*};
}

forward! {
    [] Option<R>;
    [E] Result<R, E>;
    [] Vec<R>;
    [const N: usize] [R; N];
    [] Deferred<R>;
}

macro_rules! tuples {
    ($($($name:ident)+;)*) => {$(
        impl<$($name: DescribeReply),+> DescribeReply for ($($name,)+) {
            fn describe_reply(contents: &mut ContentList<'_>) {
                $($name::describe_reply(contents);)+
            }
        }
    )*};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}
