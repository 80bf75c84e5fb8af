//! Code for what the model says. Nothing here can fail, and nothing here decides: what two handlers
//! would share is in `ws_core::private`.

mod declaration;
mod machine;
mod types;
mod upgrade;

pub(crate) use declaration::declaration;
pub(crate) use machine::machine;
