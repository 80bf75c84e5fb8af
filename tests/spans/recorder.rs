//! A layer that records spans and events as lines.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

/// The lines of this test's thread, and of the threads that inherit its subscriber.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

/// The fields of a span, in order; a later value replaces an earlier one.
#[derive(Default)]
struct Fields(Vec<(&'static str, String)>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.retain(|(name, _)| *name != field.name());
        self.0.push((field.name(), format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

impl Fields {
    fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.0 {
            let separator = if text.is_empty() { "" } else { " " };
            let _ = write!(text, "{separator}{name}={value}");
        }
        text
    }
}

impl Lines {
    /// Returns the subscriber, which takes what is at least as important as `max`.
    pub fn subscriber(&self, max: Level) -> impl Subscriber + Send + Sync + use<> {
        let filter = tracing_subscriber::filter::filter_fn(move |metadata| {
            let is_ours = ["ws_core", "spans"].iter().any(|target| metadata.target().starts_with(target));
            is_ours && *metadata.level() <= max
        });
        Registry::default().with(self.clone().with_filter(filter))
    }

    /// Returns the lines since the last call. The id of a connection, which differs, is `#`.
    pub fn take(&self) -> Vec<String> {
        let mut lines = self.take_with_ids();
        for line in &mut lines {
            if let Some((start, rest)) = line.split_once(" id=") {
                let end = rest.trim_start_matches(|c: char| c.is_ascii_digit());
                *line = format!("{start} id=#{end}");
            }
        }
        lines
    }

    /// Like [`take`](Self::take), but with the ids.
    pub fn take_with_ids(&self) -> Vec<String> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let span = context.span(id).unwrap();
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        values.record(span.extensions_mut().get_mut::<Fields>().unwrap());
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = format!("{} {}", event.metadata().level(), fields.text().replacen("message=", "", 1));
        for span in context.event_scope(event).into_iter().flatten() {
            let fields = span.extensions().get::<Fields>().unwrap().text();
            let _ = write!(line, " | {} {} {fields}", span.metadata().level(), span.name());
        }
        self.lock().push(line);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let name = context.span(&id).unwrap().name();
        self.lock().push(format!("{name} closed"));
    }
}
