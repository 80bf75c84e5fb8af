//! Who may open an inspector, and what they may do.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use hyper::http::request::Parts;

use crate::panic::catch;

/// What a request to an inspector may do.
///
/// ```
/// use ws_core::inspect::Permission;
///
/// assert!(Permission::Deny < Permission::Look && Permission::Look < Permission::Act);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Nothing: the request is answered like one for an unknown path.
    #[default]
    Deny,
    /// Look at endpoints, connections and topics, and at messages if the inspector shows them.
    Look,
    /// Also close connections.
    Act,
}

/// A function that decides what a request to an inspector may do: the page and its socket are one request each.
///
/// Functions and closures of `&Parts` implement this trait. They return a [`Permission`] or a future of one. The future
/// cannot borrow from the request, so take what it needs first. It has the server's
/// [`handshake_timeout`](crate::Router::handshake_timeout). After that time, and if the guard panics, the permission is
/// [`Deny`](Permission::Deny).
///
/// The extensions of the request have [`PeerAddr`](crate::PeerAddr) and [`IsTls`](crate::IsTls), as in the
/// [`fallback`](crate::Router::fallback). Browsers send cookies, client certificates and the credentials of HTTP
/// authentication with both requests. A guard that admits by the address alone also has to check `Host`, or a page of
/// another site could be pointed to the server.
///
/// ```
/// use ws_core::inspect::{Parts, Permission};
/// use ws_core::{BoxError, Router};
///
/// # async fn role_of(session: &str) -> Result<String, BoxError> { Ok(session.to_owned()) }
/// /// Asks the program's database for the role of the user.
/// fn guard(request: &Parts) -> impl Future<Output = Permission> + Send + use<> {
///     let cookie = request.headers.get("cookie").and_then(|cookie| cookie.to_str().ok());
///     let session = cookie.unwrap_or_default().to_owned();
///     async move {
///         match role_of(&session).await.as_deref() {
///             Ok("administrator") => Permission::Act,
///             Ok("support") => Permission::Look,
///             _ => Permission::Deny,
///         }
///     }
/// }
///
/// let router: Router = Router::new().inspect("/_ws", guard);
/// ```
pub trait Guard: Send + Sync + 'static {
    /// Returns what the request may do.
    fn permission(&self, request: &Parts) -> impl Future<Output = Permission> + Send + 'static;
}

impl<F, A> Guard for F
where
    F: Fn(&Parts) -> A + Send + Sync + 'static,
    A: GuardAnswer,
{
    fn permission(&self, request: &Parts) -> impl Future<Output = Permission> + Send + 'static {
        self(request).into_permission()
    }
}

/// The return type of a [`Guard`] that is a function: a [`Permission`], or a future of one.
///
/// ```
/// use ws_core::inspect::{GuardAnswer, Permission};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// assert_eq!(Permission::Look.into_permission().await, Permission::Look);
/// assert_eq!(async { Permission::Look }.into_permission().await, Permission::Look);
/// # }
/// ```
pub trait GuardAnswer {
    /// Returns the permission as a future.
    fn into_permission(self) -> impl Future<Output = Permission> + Send + 'static;
}

impl GuardAnswer for Permission {
    fn into_permission(self) -> impl Future<Output = Permission> + Send + 'static {
        ready(self)
    }
}

impl<F: Future<Output = Permission> + Send + 'static> GuardAnswer for F {
    fn into_permission(self) -> impl Future<Output = Permission> + Send + 'static {
        self
    }
}

type PermissionFuture = Pin<Box<dyn Future<Output = Permission> + Send>>;

/// A guard of any type.
pub(crate) type BoxGuard = Arc<dyn Fn(&Parts) -> PermissionFuture + Send + Sync>;

pub(super) fn boxed(guard: impl Guard) -> BoxGuard {
    Arc::new(move |request| {
        // A panic in the function itself; one of its future is caught where that is polled.
        let future = catch(|| guard.permission(request));
        match future {
            Ok(future) => Box::pin(future),
            Err(panic) => {
                tracing::error!(panic = panic.into_text(), "the guard of the inspector panicked");
                Box::pin(ready(Permission::Deny))
            }
        }
    })
}
