//! What a router knows about its handlers, for an inspector.

use std::any::type_name;

use crate::handler::Handler;
use crate::options::Options;

/// A mounted handler.
#[derive(Clone, Debug)]
pub(crate) struct MountedHandler {
    pub(super) path: Box<str>,
    pub(super) handler: &'static str,
    pub(super) options: Options,
    /// Names of attributes and kinds of methods that the handler has.
    pub(super) features: Vec<&'static str>,
    pub(super) states: &'static [&'static str],
}

impl MountedHandler {
    pub(crate) fn new<H: Handler>(path: &str) -> Self {
        let options = H::CHECKED_DECLARATION.options;
        let features = [
            (H::NAMED, "named messages"),
            (H::ON_PART, "#[on_part]"),
            (H::ON_DRAIN, "#[on_drain]"),
            (H::ON_ERROR, "#[on_error]"),
            (!H::TIMERS.is_empty(), "timers"),
            (!H::STATES.is_empty(), "states"),
            (H::ASYNC, "async methods"),
            (options.session.is_some(), "session"),
            (options.compress.is_some(), "compress"),
        ];
        let features = features.into_iter().filter(|(has, _)| *has).map(|(_, name)| name).collect();
        Self { path: path.into(), handler: type_name::<H>(), options, features, states: H::STATES }
    }
}
