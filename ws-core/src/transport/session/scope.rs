//! The path and the origin that a session is bound to.

/// What a session is bound to.
///
/// Browsers send no `Origin` with a `GET` to the server of the page, but with a `POST` and a handshake (Fetch §3.2).
/// So a session is bound to the first origin of its requests. A page of another origin always sends one.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) origin: Option<Box<str>>,
    pub(crate) path: Box<str>,
}

/// The hash of a [`Scope`].
#[derive(Clone, Copy)]
pub(super) struct ScopeHash {
    pub(super) path: u32,
    /// Not zero.
    pub(super) origin: Option<u32>,
}
