//! The documentation of a router's handlers as files of the router: a page, and the documents behind it.

mod examples;
mod page;
#[cfg(test)]
mod tests;

use hyper::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};

use super::asyncapi::AsyncApi;
use crate::router::{Router, StaticFile};

impl Router {
    /// Serves the documentation of the mounted handlers at a path, which is mostly `/docs`.
    ///
    /// | path | content |
    /// |---|---|
    /// | `/docs` | a page with the endpoints, their parameters, messages with examples, errors, close codes, limits and states, and a console that connects, calls and answers |
    /// | `/docs/contract.json` | the contract: [`Contract::to_json`](super::Contract::to_json) |
    /// | `/docs/asyncapi.json` | the document of AsyncAPI 3.0: [`AsyncApi::to_json`] |
    /// | `/docs/asyncapi.yaml` | the same as YAML: [`AsyncApi::to_yaml`] |
    ///
    /// The page is one file without links to other servers. Its `Content-Security-Policy` allows no script and no style
    /// but its own two, and connections to WebSocket servers only. Texts of the contract are shown as texts, never as
    /// HTML. Everybody who reaches the router can read all of this: to serve it in some builds only, call `docs` under a
    /// condition.
    ///
    /// `GET` and `HEAD` get a file. The response has an `ETag`, and a request with that tag in `If-None-Match` gets 304;
    /// `Cache-Control: no-cache` makes browsers send it. Other methods get 405, except for handshakes, which are for
    /// handlers. The paths come before the parameters of handlers and before the [`fallback`](Self::fallback). The page
    /// also works where the router is nested in another server, below a prefix. Default: no documentation.
    ///
    /// Mount the handlers first, as for [`contract`](Self::contract). A handler whose `impl` has no option `contract`
    /// appears with its path, its limits and its close codes only. [`docs_with`](Self::docs_with) sets the title.
    ///
    /// # Panics
    ///
    /// Panics if the path does not start with `/`, or has a query or parameters. A later [`mount`](Self::mount) panics,
    /// because the documentation would lack that handler.
    ///
    /// ```
    /// use ws_core::prelude::*;
    ///
    /// #[websocket(path = "/board", envelope = JsonRpc)]
    /// #[derive(Default)]
    /// struct Board;
    ///
    /// #[websocket(contract)]
    /// impl Board {
    ///     /// Adds two numbers.
    ///     #[on_call]
    ///     fn add(&mut self, a: i64, b: i64) -> i64 {
    ///         a + b
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut router = Router::new().mount::<Board>().docs("/docs");
    /// # let mut get = async |path: &str| {
    /// #     let request = hyper::Request::get(path).body(String::new()).unwrap();
    /// #     tower_service::Service::call(&mut router, request).await.unwrap()
    /// # };
    /// assert_eq!(get("/docs").await.headers()["content-type"], "text/html; charset=utf-8");
    /// assert_eq!(get("/docs/asyncapi.yaml").await.headers()["content-type"], "application/yaml");
    /// # }
    /// ```
    #[track_caller]
    pub fn docs(self, path: &str) -> Self {
        self.docs_with(path, |document| document)
    }

    /// Like [`docs`](Self::docs), but `describe` sets the title, the version, the description and the servers of the
    /// document of AsyncAPI. The page shows them too.
    ///
    /// # Panics
    ///
    /// Panics for the same reasons, and if `describe` does.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/echo")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// let router: Router = Router::new().mount::<Echo>().docs_with("/docs", |document| {
    ///     document.title("Echo").version("2.1.0").server("production", "wss://example.com")
    /// });
    /// ```
    #[track_caller]
    pub fn docs_with(mut self, path: &str, describe: impl FnOnce(AsyncApi) -> AsyncApi) -> Self {
        assert!(
            path.starts_with('/') && !path.contains(['?', '#', '{']),
            "cannot serve the documentation at {path:?}: its path starts with `/` and has no parameters"
        );
        let contract = self.contract();
        let document = describe(contract.asyncapi());
        let files = &mut self.settings.files;
        let page = StaticFile::new(path, "text/html; charset=utf-8", page::html(&contract, &document, path))
            .header(CONTENT_SECURITY_POLICY, page::POLICY)
            .header(REFERRER_POLICY, "no-referrer")
            .header(X_CONTENT_TYPE_OPTIONS, "nosniff");
        files.insert(page);
        let folder = path.trim_end_matches('/');
        let documents = [
            ("contract.json", "application/json", contract.to_json()),
            ("asyncapi.json", "application/json", document.to_json()),
            ("asyncapi.yaml", "application/yaml", document.to_yaml()),
        ];
        for (name, content_type, text) in documents {
            let file = StaticFile::new(&format!("{folder}/{name}"), content_type, text);
            files.insert(file.header(X_CONTENT_TYPE_OPTIONS, "nosniff"));
        }
        self.settings.is_documented = true;
        self
    }
}
