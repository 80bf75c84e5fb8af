//! The socket of a page: a handler like those of programs, written by hand because generated code is of other crates.

use std::any::type_name;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum_core::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::http::request::Parts;

use super::guard::Permission;
use super::mounted::MountedHandler;
use super::protocol::{EndpointReport, Hello, InspectorEvent, InspectorRequest, Tab, View, ViewReport};
use super::shared::{InspectorShared, PagePlace, Sampled};
use super::watch::{Watch, Watched};
use super::{actions, options, sampler, topics};
use crate::context::Context;
use crate::event::{Event, EventOutcome};
use crate::handler::{Declared, Handler, OnInfo, OnUpgrade, Upgrade};
use crate::json::Json;
use crate::options::{Declaration, Options, Unhandled};
use crate::payload::FromText;
use crate::reply::AnyReply;

/// Bytes in the outbox at which a page gets no more reports until it has read them.
const MAX_BUFFERED: usize = 256 << 10;

/// The time for which messages of a watched connection are collected.
const COLLECT: Duration = Duration::from_millis(100);

/// The permission of a request, and what its page shows. An extension of the request.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) shared: Arc<InspectorShared>,
    pub(crate) permission: Permission,
    pub(crate) handlers: Arc<Vec<MountedHandler>>,
}

/// The socket of one page.
pub(crate) struct InspectorSocket {
    access: Access,
    /// `None` if too many pages are open.
    place: Option<PagePlace>,
    view: View,
    watch: Option<Arc<Watch>>,
    /// Who acts, for the log.
    peer: String,
}

pub(crate) enum SocketInfo {
    Sampled,
    Watched,
    /// Messages of the watched connection were collected.
    Collected,
}

struct Collected;

impl OnInfo<Sampled> for InspectorSocket {
    fn info(_: Sampled) -> SocketInfo {
        SocketInfo::Sampled
    }
}

impl OnInfo<Watched> for InspectorSocket {
    fn info(_: Watched) -> SocketInfo {
        SocketInfo::Watched
    }
}

impl OnInfo<Collected> for InspectorSocket {
    fn info(_: Collected) -> SocketInfo {
        SocketInfo::Collected
    }
}

impl Declared for InspectorSocket {
    type Protocol = AnyReply;
    const DECLARATION: Declaration = Declaration {
        path: "",
        options: Options {
            max_message_size: 4 << 10,
            max_message_rate: Some(20),
            // The page connects again, and the guard decides again.
            max_lifetime: Some(Duration::from_mins(15)),
            unhandled: Unhandled::Close,
            ..Options::DEFAULT
        },
        limits_messages: true,
    };
}

/// Constructor of a page's socket from the [`Access`] of its request.
pub(crate) struct InspectorUpgrade;

impl<S: Sync> OnUpgrade<InspectorSocket, S> for InspectorUpgrade {
    async fn upgrade(parts: &mut Parts, _: &S) -> Result<Upgrade<InspectorSocket>, Response> {
        let access = parts.extensions.remove::<Access>();
        let access = access.ok_or_else(|| StatusCode::NOT_FOUND.into_response())?;
        let place = access.shared.place();
        let (view, peer) = (View::default(), String::new());
        Ok(Upgrade::new(InspectorSocket { access, place, view, watch: None, peer }))
    }
}

impl Handler for InspectorSocket {
    const CHECKED_DECLARATION: Declaration = Self::DECLARATION.checked();
    type Info = SocketInfo;
    type Call = Infallible;
    type Upgrade = InspectorUpgrade;

    fn event(&mut self, event: Event<'_, SocketInfo>, cx: &mut Context<Self>) -> EventOutcome<Infallible> {
        match event {
            Event::Open => self.open(cx),
            Event::Text(text) => match Json::from_text(text) {
                Ok(Json(request)) => self.request(request, cx),
                Err(error) => return EventOutcome::failed(error),
            },
            Event::Info(SocketInfo::Sampled) => self.report(cx),
            Event::Info(SocketInfo::Watched) => _ = cx.send_after(COLLECT, Collected),
            Event::Info(SocketInfo::Collected) => self.send_messages(cx),
            Event::Close(_) => self.unwatch(),
            _ => return EventOutcome::Unhandled,
        }
        EventOutcome::Done
    }
}

impl InspectorSocket {
    fn open(&mut self, cx: &mut Context<Self>) {
        if self.place.is_none() {
            return cx.close((1013, "too many pages of the inspector are open"));
        }
        self.peer = cx.peer_addr().map_or_else(String::new, |peer| peer.to_string());
        let Access { shared, permission, handlers } = &self.access;
        let endpoints = handlers.iter().map(|mounted| EndpointReport {
            path: &mounted.path,
            handler: mounted.handler,
            features: &mounted.features,
            states: mounted.states,
            options: options::describe(&mounted.options),
        });
        cx.send(Json(InspectorEvent::Hello(Hello {
            may_act: *permission >= Permission::Act,
            shows_messages: shared.show.is_some(),
            endpoints: endpoints.collect(),
            hubs: shared.hubs.iter().map(|(name, _)| &**name).collect(),
            version: env!("CARGO_PKG_VERSION"),
        })));
        if shared.join(cx.addr().recipient()) {
            tokio::spawn(sampler::run(Arc::clone(shared)));
        }
    }

    fn request(&mut self, request: InspectorRequest, cx: &mut Context<Self>) {
        match request {
            InspectorRequest::View(view) => {
                self.view = view;
                self.report(cx);
            }
            InspectorRequest::Watch { id } => self.watch(id, cx),
            InspectorRequest::Unwatch => {
                self.unwatch();
                cx.send(Json(InspectorEvent::Watching { id: None }));
            }
            // The page offers neither without the permission, so the client is not the page.
            InspectorRequest::Close { .. } | InspectorRequest::Kick { .. }
                if self.access.permission < Permission::Act =>
            {
                let peer = &self.peer;
                tracing::warn!(
                    peer,
                    "a page of the inspector requested a close without the permission to act"
                );
                cx.close((1008, "not permitted"));
            }
            InspectorRequest::Close { id, code, reason } => {
                let count = actions::close(&self.access.shared, id, code, &reason, &self.peer);
                cx.send(Json(InspectorEvent::Closed { count }));
            }
            InspectorRequest::Kick { tag, code, reason } => {
                let count = actions::kick(&self.access.shared, &tag, code, &reason, &self.peer);
                cx.send(Json(InspectorEvent::Closed { count }));
            }
        }
    }

    /// Sends what the view shows, unless the page still has reports to read.
    fn report(&mut self, cx: &mut Context<Self>) {
        if cx.buffered() > MAX_BUFFERED {
            return;
        }
        // Before the first sample there is nothing to show.
        let Some((sample, history)) = self.access.shared.latest() else { return };
        let view = &self.view;
        let hub = self.access.shared.hubs.get(view.hub).filter(|_| view.tab == Tab::Topics);
        let (topics, topic) = hub.map(|(_, hub)| topics::page(hub, view)).unzip();
        cx.send(Json(InspectorEvent::View(Box::new(ViewReport {
            number: view.number,
            totals: &sample.totals,
            history: &history,
            interval: u64::try_from(sampler::interval(sample.totals.connections).as_millis())
                .unwrap_or(u64::MAX),
            connections: (view.tab == Tab::Connections).then(|| sample.page(view)),
            topics,
            selected: view.selected,
            details: view.selected.and_then(|id| sample.details(id)),
            topic: topic.flatten(),
            broker: hub.map(|(_, hub)| topics::broker(hub)),
        }))));
    }

    /// Starts to show the messages of a connection. Those of inspectors are not shown: each would cause another.
    fn watch(&mut self, id: u64, cx: &mut Context<Self>) {
        self.unwatch();
        let shared = &self.access.shared;
        let connection = shared.find(id).filter(|(_, handler)| *handler != type_name::<Self>());
        if let Some((id_in_registry, handler)) = connection.filter(|_| shared.show.is_some()) {
            let watch = Watch::new(id, handler, cx.addr().recipient());
            if shared.tracker.tap(id_in_registry, Arc::clone(&watch) as _) {
                self.watch = Some(watch);
            }
        }
        cx.send(Json(InspectorEvent::Watching { id: self.watch.as_ref().map(|watch| watch.id) }));
    }

    fn unwatch(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.end();
        }
    }

    fn send_messages(&mut self, cx: &mut Context<Self>) {
        // The messages wait in their queue while the page does not read.
        if cx.buffered() > MAX_BUFFERED {
            _ = cx.send_after(COLLECT, Collected);
            return;
        }
        if let (Some(watch), Some(show)) = (&self.watch, &self.access.shared.show) {
            let messages = watch.take(show);
            if !messages.items.is_empty() || messages.dropped > 0 {
                cx.send(Json(InspectorEvent::Messages(messages)));
            }
        }
    }
}

/// The watch also ends if the connection ends without a close.
impl Drop for InspectorSocket {
    fn drop(&mut self) {
        self.unwatch();
    }
}

#[cfg(test)]
impl InspectorSocket {
    /// Creates the socket of a page that may look.
    pub(super) fn for_test(shared: Arc<InspectorShared>) -> Self {
        let place = shared.place();
        let access = Access { shared, permission: Permission::Look, handlers: Arc::default() };
        Self { access, place, view: View::default(), watch: None, peer: String::new() }
    }
}
