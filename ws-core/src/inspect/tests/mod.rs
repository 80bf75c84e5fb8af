//! Inspectors: who may open them, what they show, and their bounds.

mod access;
mod bounds;
mod messages;
mod socket;

use std::net::SocketAddr;
use std::time::Duration;

use axum_core::body::Body;
use hyper::Request;
use serde_json::{Value, json};
use tower_service::Service;

use super::*;
use crate::prelude::*;
use crate::test::TestClient;

/// A handler whose connections have a tag.
#[websocket(path = "/rooms/{room}", overflow = drop_oldest)]
struct Room(Option<Topic<String>>, String);

#[websocket]
impl Room {
    #[on_upgrade]
    fn make(Path(tag): Path<String>) -> Self {
        Self(None, tag)
    }

    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) -> Result<(), crate::TagError> {
        if let Some(topic) = &self.0 {
            cx.subscribe(topic);
            cx.join(topic, &self.1);
        }
        cx.tag(&self.1)
    }

    #[on_text]
    fn echo(&mut self, text: String) -> String {
        text
    }

    #[on_binary]
    fn echo_binary(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    #[on_info]
    fn line(&mut self, line: Arc<String>) -> String {
        line.to_string()
    }
}

/// The page's end of its socket, and the number of its view.
struct PageClient(TestClient<InspectorSocket>, u64);

impl PageClient {
    /// Opens a page without a guard, and takes the first message.
    async fn open(router: &Router) -> Self {
        Self::open_at(router, "/_ws").await
    }

    async fn open_at(router: &Router, uri: &str) -> Self {
        let request = TestClient::upgrade_at("/_ws", uri).peer_addr(local());
        let mut page = Self(request.open_through(router.clone()).await.unwrap(), 0);
        assert_eq!(page.next().await["type"], "hello");
        page
    }

    async fn next(&mut self) -> Value {
        serde_json::from_str(&self.0.text().await).unwrap()
    }

    async fn send(&mut self, request: Value) {
        self.0.send(request.to_string()).await;
    }

    /// Returns the next event of a kind.
    async fn event(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next().await;
            if event["type"] == kind {
                return event;
            }
        }
    }

    /// Sends a view, and returns the report about it.
    async fn view(&mut self, view: Value) -> Value {
        self.1 += 1;
        let mut request = json!({ "type": "view", "limit": 200, "number": self.1 });
        request.as_object_mut().unwrap().extend(view.as_object().unwrap().clone());
        self.send(request).await;
        loop {
            let report = self.event("view").await;
            if report["number"] == self.1 {
                return report;
            }
        }
    }

    /// Returns all events that have been sent.
    async fn drain(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        while let Some(Message::Text(text)) = self.0.next().await {
            events.push(serde_json::from_str(&text).unwrap());
        }
        events
    }

    /// Waits for a report that fulfils a condition. A sample is taken each second.
    async fn until(&mut self, condition: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..10 {
            self.0.advance(Duration::from_secs(1)).await;
            let mut reports = self.drain().await.into_iter().filter(|event| event["type"] == "view");
            if let Some(report) = reports.next_back().filter(&condition) {
                return report;
            }
        }
        panic!("no such report in ten seconds");
    }

    /// Returns the close frame that ends the connection.
    async fn closed(&mut self) -> Close {
        loop {
            match self.0.next().await {
                Some(Message::Close(close)) => return close,
                Some(_) => {}
                None => panic!("the connection is open"),
            }
        }
    }
}

fn local() -> SocketAddr {
    "127.0.0.1:5000".parse().unwrap()
}

fn router(inspector: Inspector) -> Router {
    Router::new().mount::<Room>().inspect("/_ws", inspector)
}

/// Connects a client with a tag through a router.
async fn guest(router: &Router, tag: &str) -> TestClient<Room> {
    TestClient::upgrade(&format!("/rooms/{tag}")).open_through(router.clone()).await.unwrap()
}

/// A number that no connection has.
const NO_ID: u64 = 1 << 50;

/// Returns the number of the first connection of a report.
fn first_id(report: &Value) -> u64 {
    report["connections"]["rows"][0]["id"].as_u64().unwrap()
}
