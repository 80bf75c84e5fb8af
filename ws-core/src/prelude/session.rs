//! The attributes of sessions.

#[doc = include_str!("on_attach.md")]
#[doc(inline)]
pub use ws_macros::on_attach;

#[doc = include_str!("on_detach.md")]
#[doc(inline)]
pub use ws_macros::on_detach;
