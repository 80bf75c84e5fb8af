//! A server without a connection, for the tests of the envelopes.

use serde_json::Value;
use serde_json::value::RawValue;

use super::{CallError, Envelope, Incoming, RawId};

/// Describes an opened text in one line.
pub(super) fn describe(incoming: &Incoming<'_, RawId>) -> String {
    let raw = |params: &Option<&RawValue>| params.map_or("-", RawValue::get).to_owned();
    match incoming {
        Incoming::Call { id, name, params } => format!("call {} {name} {}", id.as_str(), raw(params)),
        Incoming::Message { name, params } => format!("message {name} {}", raw(params)),
        Incoming::Answer { id, answer: Ok(result) } => format!("answer {id} {}", result.get()),
        Incoming::Answer { id, answer: Err(error) } => {
            format!("answer {id} {} {} {}", error.code(), error.message(), raw(&error.data()))
        }
        Incoming::Batch(entries) => {
            format!("[{}]", entries.iter().map(describe).collect::<Vec<_>>().join(", "))
        }
        Incoming::Invalid { id, error } => format!("invalid {} {}", id.as_str(), error.code()),
        Incoming::Other => "other".into(),
    }
}

/// Returns the answer of a server whose methods are `methods`, or `None` if it sends nothing.
pub(super) fn answer<E: Envelope<Id = RawId>>(
    text: &str,
    methods: fn(&str, Option<&RawValue>) -> Result<Value, CallError>,
) -> Option<String> {
    answer_to::<E>(E::open(text), methods)
}

fn answer_to<E: Envelope<Id = RawId>>(
    incoming: Incoming<'_, RawId>,
    methods: fn(&str, Option<&RawValue>) -> Result<Value, CallError>,
) -> Option<String> {
    let mut out = Vec::new();
    match incoming {
        Incoming::Call { id, name, params } => {
            E::write_answer(&id, methods(&name, params).as_ref(), &mut out).unwrap();
        }
        Incoming::Invalid { id, error } => {
            E::write_answer::<()>(&id, Err(&error), &mut out).unwrap();
        }
        Incoming::Batch(entries) => {
            let answers = entries.into_iter().filter_map(|entry| answer_to::<E>(entry, methods));
            let answers: Vec<_> = answers.collect();
            return (!answers.is_empty()).then(|| format!("[{}]", answers.join(",")));
        }
        Incoming::Message { .. } | Incoming::Answer { .. } | Incoming::Other => return None,
    }
    Some(String::from_utf8(out).unwrap())
}
