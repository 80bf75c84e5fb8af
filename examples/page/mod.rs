//! The page that the examples serve at `GET /`: the source of the handler beside a client for it.
//!
//! This module is not an example by itself. Run one with `cargo run --example hello`.

mod files;

use files::Files;

/// The texts of one example's page.
pub struct Page {
    /// The name of the example.
    pub name: &'static str,
    /// One sentence or two, as HTML.
    pub about: &'static str,
    /// The Rust file. The page shows the part before `main`.
    pub source: &'static str,
    /// Targets for the client to connect to: the first one when the page opens, the others on demand.
    pub targets: &'static [&'static str],
    /// Messages to send with one click. `bytes:N` sends `N` bytes as a binary message.
    pub messages: &'static [&'static str],
}

impl Page {
    /// Returns a service of the page, at `/`, with its style and its script.
    pub fn app(self) -> Files {
        Files::new([
            ("/", "text/html; charset=utf-8", self.html()),
            ("/page.css", "text/css", include_str!("page.css").into()),
            ("/page.js", "text/javascript", include_str!("page.js").into()),
            // `Router::client_script` serves this file too; the chat shows how.
            ("/ws-core.js", "text/javascript", include_str!("../../clients/js/dist/ws-core.min.js").into()),
        ])
    }

    fn html(&self) -> String {
        let attribute = |values: &[&str]| escape(&values.join("\n"));
        include_str!("page.html")
            .replace("{{name}}", self.name)
            .replace("{{about}}", self.about)
            .replace("{{targets}}", &attribute(self.targets))
            .replace("{{messages}}", &attribute(self.messages))
            .replace("{{source}}", &escape(handler(self.source)))
    }
}

/// Returns the part of an example that is about its handler: neither its imports nor its `main`.
fn handler(source: &str) -> &str {
    let end = source.find("#[tokio::main]").unwrap_or(source.len());
    let (_, code) = source[..end].split_once("use ws_core::prelude::*;").unwrap_or(("", source));
    let imports: usize = code.split_inclusive('\n').take_while(|line| is_import(line)).map(str::len).sum();
    code[imports..].trim()
}

fn is_import(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with("use ")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
