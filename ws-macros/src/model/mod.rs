//! All the rules. What comes out is valid by construction.

mod declaration;
mod machine;
mod value;

pub(crate) use declaration::{Declaration, declaration};
pub(crate) use machine::{Arg, Event, Machine, Method, Upgrade, machine};
