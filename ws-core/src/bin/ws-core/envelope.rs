//! Messages by the templates of a contract's envelope: JSON with placeholders, for example
//! `{"jsonrpc": "2.0", "method": "$name", "params": "$params"}`. The values are texts of JSON, so that numbers keep
//! their digits.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// The values of the placeholders. The names are those of the placeholders, without `$`.
pub(crate) type Values<'a> = BTreeMap<&'static str, &'a RawValue>;

/// The member that stands for the members of the parameters.
const MERGED: &str = "$params";

/// Returns the name of a placeholder.
fn placeholder(template: &Value) -> Option<&'static str> {
    let known = ["name", "params", "id", "id_text", "result", "code", "message", "data"];
    let name = template.as_str()?.strip_prefix('$')?;
    known.into_iter().find(|known| *known == name)
}

/// Returns the message of a template. A value that is missing is left out of an object, and `null` in an array.
pub(crate) fn fill(template: &Value, values: &Values<'_>) -> String {
    fill_part(template, values).unwrap_or_else(|| "null".into())
}

fn fill_part(template: &Value, values: &Values<'_>) -> Option<String> {
    if let Some(name) = placeholder(template) {
        return match (name, values.get("id")) {
            ("id_text", Some(id)) if !id.get().starts_with('"') => Some(format!("\"{id}\"")),
            ("id_text", id) => id.map(ToString::to_string),
            _ => values.get(name).map(ToString::to_string),
        };
    }
    match template {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| fill(item, values)).collect();
            Some(format!("[{}]", items.join(",")))
        }
        Value::Object(members) => {
            let mut written = Vec::new();
            for (name, part) in members {
                if name == MERGED && *part == Value::Bool(true) {
                    let params = values.get("params").map_or("{}", |params| params.get()).trim();
                    let inner = params.strip_prefix('{').and_then(|params| params.strip_suffix('}'));
                    written.extend(inner.filter(|inner| !inner.trim().is_empty()).map(ToOwned::to_owned));
                } else if let Some(value) = fill_part(part, values) {
                    written.push(format!("{}:{value}", Value::from(&**name)));
                }
            }
            Some(format!("{{{}}}", written.join(",")))
        }
        other => Some(other.to_string()),
    }
}

/// The values that a message has at the placeholders of a template.
#[derive(Debug, Default)]
pub(crate) struct Match {
    values: BTreeMap<&'static str, Box<RawValue>>,
}

impl Match {
    /// Returns a value as JSON.
    pub(crate) fn json(&self, name: &str) -> Option<&RawValue> {
        self.values.get(name).map(|value| &**value)
    }

    /// Returns a value that is a string.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.json(name).and_then(|value| serde_json::from_str(value.get()).ok())
    }

    /// Returns the id of a call of this side: a number, also one in a string.
    pub(crate) fn id(&self) -> Option<u64> {
        let id = self.json("id")?.get();
        serde_json::from_str(id).ok().or_else(|| self.text("id")?.parse().ok())
    }
}

/// Returns the values of a message, if it is one of the template. With `is_any_text`, a text of the template stands for
/// any text: an envelope may have a word for each code.
pub(crate) fn matched(template: &Value, message: &RawValue, is_any_text: bool) -> Option<Match> {
    let mut found = Match::default();
    (!template.is_null() && matches(template, message, &mut found, is_any_text)).then_some(found)
}

fn matches(template: &Value, message: &RawValue, found: &mut Match, is_any_text: bool) -> bool {
    if let Some(name) = placeholder(template) {
        if name == "name" && !message.get().starts_with('"') {
            return false;
        }
        let name = if name == "id_text" { "id" } else { name };
        found.values.insert(name, message.to_owned());
        return true;
    }
    match template {
        Value::Array(parts) => {
            let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(message.get()) else { return false };
            let mut pairs = parts.iter().zip(&items);
            parts.len() == items.len() && pairs.all(|(part, item)| matches(part, item, found, is_any_text))
        }
        Value::Object(parts) => {
            let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(message.get()) else {
                return false;
            };
            parts.iter().all(|(name, part)| {
                if name == MERGED && *part == Value::Bool(true) {
                    let others: BTreeMap<_, _> =
                        members.iter().filter(|(name, _)| !parts.contains_key(*name)).collect();
                    if let Ok(others) = serde_json::value::to_raw_value(&others) {
                        found.values.insert("params", others);
                    }
                    return true;
                }
                match members.get(name) {
                    Some(member) => matches(part, member, found, is_any_text),
                    None => matches!(placeholder(part), Some("params" | "data")),
                }
            })
        }
        Value::String(_) if is_any_text => message.get().starts_with('"'),
        other => serde_json::from_str::<Value>(message.get()).is_ok_and(|message| message == *other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[track_caller]
    fn check(template: &Value, message: &str, values: &[(&'static str, &str)]) {
        let owned: Vec<_> = values.iter().map(|(name, json)| (*name, raw(json))).collect();
        let values: Values<'_> = owned.iter().map(|(name, json)| (*name, &**json)).collect();
        assert_eq!(fill(template, &values), message);
        let found = matched(template, &raw(message), false).unwrap();
        let found: Vec<_> = found.values.iter().map(|(name, json)| (*name, json.get())).collect();
        let mut expect: Vec<_> = values.iter().map(|(name, json)| (*name, json.get())).collect();
        expect.sort_unstable();
        assert_eq!(found, expect);
    }

    #[test]
    fn templates_are_written_and_read() {
        let rpc = json!({ "id": "$id", "jsonrpc": "2.0", "method": "$name", "params": "$params" });
        check(
            &rpc,
            r#"{"id":7,"jsonrpc":"2.0","method":"add","params":[1.50,18446744073709551616]}"#,
            &[("id", "7"), ("name", "\"add\""), ("params", "[1.50,18446744073709551616]")],
        );
        check(&rpc, r#"{"id":7,"jsonrpc":"2.0","method":"add"}"#, &[("id", "7"), ("name", "\"add\"")]);
        check(
            &json!({ "$params": true, "type": "$name" }),
            r#"{"a":1,"type":"x"}"#,
            &[("name", "\"x\""), ("params", "{\"a\":1}")],
        );
        check(
            &json!([2, "$id", "$name", "$params"]),
            r#"[2,"a","x",{}]"#,
            &[("id", "\"a\""), ("name", "\"x\""), ("params", "{}")],
        );
    }

    #[test]
    fn ids_may_be_texts() {
        let template = json!([3, "$id_text", "$result"]);
        let (id, result) = (raw("12"), raw("true"));
        let values: Values<'_> = [("id", &*id), ("result", &*result)].into();
        assert_eq!(fill(&template, &values), r#"[3,"12",true]"#);
        assert_eq!(matched(&template, &raw(r#"[3,"12",true]"#), false).unwrap().id(), Some(12));
        assert_eq!(matched(&template, &raw("[3,12,true]"), false).unwrap().id(), Some(12));
    }

    #[test]
    fn other_messages_do_not_match() {
        let template = json!({ "method": "$name", "n": 1 });
        for other in ["1", "[]", r#"{"n":1}"#, r#"{"method":1,"n":1}"#, r#"{"method":"x","n":2}"#] {
            assert!(matched(&template, &raw(other), false).is_none(), "{other}");
        }
        assert!(matched(&Value::Null, &raw("null"), false).is_none());
        let error = json!([4, "InternalError", "$message"]);
        assert!(matched(&error, &raw(r#"[4,"Other","x"]"#), false).is_none());
        assert!(matched(&error, &raw(r#"[4,"Other","x"]"#), true).is_some());
    }
}
