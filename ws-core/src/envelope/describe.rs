//! Descriptions of messages for people.

use serde_json::value::RawValue;

use super::{Envelope, Incoming};

/// Describes a text by its name, with a few characters of its JSON.
pub(crate) fn describe<E: Envelope>(text: &str) -> String {
    let with = |params: Option<&RawValue>| {
        params.map_or(String::new(), |params| format!(" {}", shorten(params.get())))
    };
    match E::open(text) {
        Incoming::Call { name, params, .. } => format!("the call `{name}`{}", with(params)),
        Incoming::Message { name, params } => format!("the message `{name}`{}", with(params)),
        Incoming::Answer { id, answer: Ok(result) } => format!("answer {id}: {}", shorten(result.get())),
        Incoming::Answer { id, answer: Err(error) } => format!("answer {id}: error {error}"),
        Incoming::Batch(entries) => format!("a batch of {}: {}", entries.len(), shorten(text)),
        Incoming::Invalid { .. } | Incoming::Other => format!("text {:?}", shorten(text)),
    }
}

/// Returns the first 60 characters of a JSON text.
pub(crate) fn shorten(json: &str) -> String {
    match json.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", json.get(..end).unwrap_or_default()),
        None => json.to_owned(),
    }
}
