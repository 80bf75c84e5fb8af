//! The script of the client for pages, as a file of the router.

use hyper::header::ACCESS_CONTROL_ALLOW_ORIGIN;

use super::Router;
use super::static_files::StaticFile;

/// The build of `clients/js`; a test there checks that the build is current.
static SCRIPT: &[u8] = include_bytes!("../../client/ws-core.min.js");

impl<S: Send + Sync + 'static> Router<S> {
    /// Serves the client for pages at a path: an ES module with the class `SessionSocket`, 5 KB compressed. The
    /// class has the interface of `WebSocket`, falls back to HTTP, reconnects, and resumes its session. Its
    /// README is in `clients/js` of the repository.
    ///
    /// `GET` and `HEAD` get the script. The response has an `ETag`, and a request with that tag in
    /// `If-None-Match` gets 304; `Cache-Control: no-cache` makes browsers send it. Pages of all origins can
    /// import the script. Other methods get 405, except for handshakes, which are for handlers. The path comes
    /// before the parameters of handlers and before the [`fallback`](Self::fallback). Default: no path.
    ///
    /// # Panics
    ///
    /// Panics if the path does not start with `/`, or has a query.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/chat")] #[derive(Default)] struct Chat;
    /// # #[websocket] impl Chat { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut router = Router::new().mount::<Chat>().client_script("/ws-core.js");
    /// // In the page: import { SessionSocket } from "/ws-core.js"; new SessionSocket("/chat");
    /// # let request = hyper::Request::get("/ws-core.js").body(String::new()).unwrap();
    /// # let answer = tower_service::Service::call(&mut router, request).await.unwrap();
    /// assert_eq!(answer.headers()["content-type"], "text/javascript; charset=utf-8");
    /// # }
    /// ```
    #[track_caller]
    pub fn client_script(mut self, path: &str) -> Self {
        assert!(
            path.starts_with('/') && !path.contains(['?', '#', '{']),
            "cannot serve the client at {path:?}: the path of a script starts with `/` and has no parameters"
        );
        let script = StaticFile::new(path, "text/javascript; charset=utf-8", SCRIPT);
        self.settings.files.insert(script.header(ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
        self
    }
}

#[cfg(test)]
mod tests {
    use axum_core::body::Body;
    use hyper::Request;

    use super::*;

    #[test]
    fn pages_of_all_origins_import_the_script() {
        let router = Router::<()>::new().client_script("/ws-core.js");
        let request = Request::get("/ws-core.js").body(Body::empty()).unwrap();
        let response = router.settings.files.respond(&request).unwrap();
        let header = |name| response.headers()[name].to_str().unwrap();
        assert_eq!(header("access-control-allow-origin"), "*");
        assert_eq!(header("content-length"), SCRIPT.len().to_string());
    }

    #[test]
    #[should_panic(expected = "cannot serve the client at \"ws-core.js\"")]
    fn path_starts_with_a_slash() {
        let _ = Router::<()>::new().client_script("ws-core.js");
    }
}
