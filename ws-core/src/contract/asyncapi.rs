//! The contract as a document of AsyncAPI 3.0.

use hyper::Uri;
use serde_json::{Map, Value, json};

use super::keys::key;
use super::operations::Parts;
use super::pretty_json;
use crate::contract_model::Contract;

impl Contract {
    /// Returns the contract as a document of AsyncAPI 3.0.
    ///
    /// A handler is a channel. Operations are those of the server: it receives what the client sends. Handlers whose
    /// `impl` has no option `contract` are channels without messages.
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
    ///     #[on_call]
    ///     fn add(&mut self, a: i64, b: i64) -> i64 {
    ///         a + b
    ///     }
    /// }
    ///
    /// let document = Router::new().mount::<Board>().contract().asyncapi().title("Board").server("production", "wss://example.com").to_value();
    /// assert_eq!(document["asyncapi"], "3.0.0");
    /// assert_eq!(document["channels"]["Board"]["address"], "/board");
    /// assert_eq!(document["operations"]["Board.add"]["action"], "receive");
    /// ```
    pub fn asyncapi(&self) -> AsyncApi {
        AsyncApi::new(self)
    }
}

/// A document of [AsyncAPI 3.0](https://www.asyncapi.com/docs/reference/specification/v3.0.0), from
/// [`Contract::asyncapi`].
///
/// ```
/// use ws_core::Router;
///
/// let contract = Router::new().contract();
/// let document = contract.asyncapi().title("Chat").version("2.1.0").description("Rooms.");
/// assert!(document.to_yaml().contains("title: Chat"));
/// assert!(document.to_json().contains(r#""version": "2.1.0""#));
/// ```
#[derive(Clone, Debug)]
pub struct AsyncApi {
    document: Map<String, Value>,
}

impl AsyncApi {
    fn new(contract: &Contract) -> Self {
        let mut parts = Parts::default();
        for handler in &contract.handlers {
            parts.add_handler(handler);
        }
        let version = contract.handlers.iter().map(|handler| handler.version).max().unwrap_or(1).max(1);
        let mut document = Map::new();
        document.insert("asyncapi".into(), "3.0.0".into());
        document
            .insert("info".into(), json!({ "title": "WebSocket API", "version": format!("{version}.0.0") }));
        document.insert("defaultContentType".into(), "application/json".into());
        document.insert("channels".into(), parts.channels.into());
        document.insert("operations".into(), parts.operations.into());
        document.insert("components".into(), json!({ "messages": parts.messages, "schemas": parts.schemas }));
        Self { document }
    }

    /// Sets the title. Default `WebSocket API`.
    pub fn title(self, title: &str) -> Self {
        self.info("title", title.into())
    }

    /// Sets the version of the API. Default: the highest version of a handler's contract, for example `2.0.0`.
    pub fn version(self, version: &str) -> Self {
        self.info("version", version.into())
    }

    /// Sets the description, which may be Markdown.
    pub fn description(self, description: &str) -> Self {
        self.info("description", description.into())
    }

    /// Sets a member of `info`, for example `contact`, `license` or `tags`.
    ///
    /// ```
    /// # use ws_core::Router;
    /// use serde_json::json;
    ///
    /// let document = Router::new().contract().asyncapi().info("license", json!({ "name": "MIT" }));
    /// assert_eq!(document.to_value()["info"]["license"]["name"], "MIT");
    /// ```
    pub fn info(mut self, name: &str, value: Value) -> Self {
        if let Some(info) = self.document.get_mut("info") {
            info[name] = value;
        }
        self
    }

    /// Adds a server, with the address at which the router is served, for example `wss://example.com/live`.
    ///
    /// # Panics
    ///
    /// Panics if `url` is not the URL of a WebSocket server: `ws://` or `wss://` with a host.
    ///
    /// ```
    /// # use ws_core::Router;
    /// let document = Router::new().contract().asyncapi().server("production", "wss://example.com/live");
    /// let server = &document.to_value()["servers"]["production"];
    /// assert_eq!((&server["protocol"], &server["host"], &server["pathname"]), (&"wss".into(), &"example.com".into(), &"/live".into()));
    /// ```
    #[track_caller]
    pub fn server(mut self, name: &str, url: &str) -> Self {
        let parsed: Option<Uri> = url.parse().ok();
        let parts = parsed.as_ref().and_then(|url| Some((url.scheme_str()?, url.authority()?, url.path())));
        let Some((scheme @ ("ws" | "wss"), host, path)) = parts else {
            panic!("{url:?} is not the URL of a WebSocket server: write \"wss://example.com\"");
        };
        let mut server = json!({ "host": host.as_str(), "protocol": scheme });
        if path.len() > 1 {
            server["pathname"] = path.into();
        }
        let servers = self.document.entry("servers").or_insert_with(|| json!({}));
        servers[key(name)] = server;
        self
    }

    /// Returns the document as JSON data.
    pub fn to_value(&self) -> Value {
        Value::Object(self.document.clone())
    }

    /// Returns the document as JSON text. The same contract gives the same bytes.
    pub fn to_json(&self) -> String {
        pretty_json(&self.document)
    }

    /// Returns the document as YAML 1.2. The same contract gives the same bytes.
    ///
    /// # Panics
    ///
    /// Never: JSON data can be written as YAML.
    pub fn to_yaml(&self) -> String {
        serde_saphyr::to_string(&self.document).expect("JSON data are YAML")
    }
}
