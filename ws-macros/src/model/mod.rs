//! All the rules. What comes out is valid by construction.

mod declaration;
mod machine;
mod value;

use syn::Generics;

use crate::report::Report;

pub(crate) use declaration::{Declaration, declaration};
pub(crate) use machine::{Arg, Event, Machine, Method, Upgrade, machine};

/// A handler lives in a task of its own.
fn no_lifetimes(generics: &Generics, report: &mut Report) {
    for lifetime in generics.lifetimes() {
        report.error_at(
            lifetime,
            "a handler cannot borrow: it lives as long as its connection\n\
             help: let it own its data, or share it as an `Arc`",
        );
    }
}
