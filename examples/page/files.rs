//! A service for files that are part of the program.

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;
use ws_core::axum_core::extract::Request;
use ws_core::axum_core::response::{IntoResponse, Response};
use ws_core::{Method, StatusCode};

/// A file: its path, its media type and its content.
type File = (Cow<'static, str>, &'static str, String);

/// A `tower` service that answers `GET` with one of its files. Other paths get 404, other methods 405.
#[derive(Clone)]
pub struct Files(Arc<[File]>);

impl Files {
    /// Returns a service of these files: their paths, their media types and their contents.
    pub fn new<P: Into<Cow<'static, str>>>(
        files: impl IntoIterator<Item = (P, &'static str, String)>,
    ) -> Self {
        Self(
            files.into_iter().map(|(path, media_type, content)| (path.into(), media_type, content)).collect(),
        )
    }
}

impl Service<Request> for Files {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let file = self.0.iter().find(|(path, ..)| *path == request.uri().path());
        ready(Ok(match file {
            None => StatusCode::NOT_FOUND.into_response(),
            // hyper leaves out the body of an answer to `HEAD`.
            Some((_, media_type, content)) if [Method::GET, Method::HEAD].contains(request.method()) => {
                ([("content-type", *media_type)], content.clone()).into_response()
            }
            Some(_) => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use ws_core::axum_core::body::Body;

    use super::*;

    #[track_caller]
    fn check(method: Method, path: &str, status: u16, media_type: Option<&str>) {
        let mut files = Files::new([("/a.css", "text/css", "a {}".to_owned())]);
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        let Ok(response) = files.call(request).into_inner();
        assert_eq!(response.status().as_u16(), status);
        let header = response.headers().get("content-type").map(|value| value.to_str().unwrap());
        assert_eq!(header, media_type);
    }

    #[test]
    fn files_are_found_by_their_path() {
        check(Method::GET, "/a.css", 200, Some("text/css"));
        check(Method::HEAD, "/a.css?1", 200, Some("text/css"));
        check(Method::POST, "/a.css", 405, None);
        check(Method::GET, "/a", 404, None);
    }
}
