//! The attributes of states.

#[cfg(doc)]
use super::Goto;

#[doc = include_str!("on_enter.md")]
#[doc(inline)]
pub use ws_macros::on_enter;

#[doc = include_str!("on_leave.md")]
#[doc(inline)]
pub use ws_macros::on_leave;
