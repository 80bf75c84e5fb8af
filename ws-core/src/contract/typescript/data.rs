//! The part of a contract that a client needs at run time, as a literal.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::super::{
    CallContract, ContentContract, HandlerContract, MessageContract, ParameterContract, SideContract,
};
use super::names::{self, Suffix};
use super::schema::sorted;

/// The longest value that is written on one line.
const MAX_LINE: usize = 110;

/// The keywords of schemas that a client checks: those that its types have as well.
const CHECKED: &[&str] = &[
    "$ref",
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "enum",
    "items",
    "maxItems",
    "minItems",
    "oneOf",
    "patternProperties",
    "properties",
    "required",
    "type",
];

/// The names of methods. Each one is that of a call or a message, unless another method or the class has it.
pub(super) struct MethodNames {
    pub(super) calls: Vec<String>,
    pub(super) messages: Vec<String>,
}

impl MethodNames {
    pub(super) fn new(handler: &HandlerContract) -> Self {
        let mut taken = names::reserved_members();
        let mut unique = |name: &str| names::unique(name, &mut taken, Suffix::Underscore);
        let calls = handler.client.calls.iter().map(|call| unique(&call.name)).collect();
        let messages = handler.client.messages.iter().map(|message| unique(&message.name)).collect();
        Self { calls, messages }
    }
}

/// Returns the literal of a handler's contract, without what only a reader needs.
pub(super) fn literal(
    handler: &HandlerContract,
    path_parameters: &[ParameterContract],
    methods: &MethodNames,
) -> String {
    let mut data = Map::new();
    let mut add = |name: &str, value: Value| {
        let is_empty = match &value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        if !is_empty {
            data.insert(name.to_owned(), value);
        }
    };
    add("name", json!(handler.name));
    add("path", json!(handler.path));
    add("path_parameters", parameters(path_parameters));
    add("query", parameters(&handler.query));
    add("subprotocols", json!(handler.subprotocols));
    add("envelope", json!(handler.envelope));
    add("limits", json!({ "max_message_size": handler.limits.max_message_size }));
    add("session", json!(handler.session));
    add("client", side(&handler.client, Some(methods)));
    add("server", side(&handler.server, None));
    add("schemas", handler.schemas.iter().map(|(name, schema)| (name.clone(), checked(schema))).collect());
    render(&Value::Object(data), "")
}

/// Returns the calls and messages of a side. Those of the client have the names of their methods, if these differ.
fn side(side: &SideContract, methods: Option<&MethodNames>) -> Value {
    let with_method = |mut value: Value, name: &str, method: Option<&String>| {
        if let Some(method) = method.filter(|method| *method != name) {
            value["method"] = json!(method);
        }
        value
    };
    let call = |(index, call): (usize, &CallContract)| {
        let errors: Vec<_> = call
            .errors
            .iter()
            .map(|error| match &error.data {
                Some(data) => json!({ "code": error.code, "data": checked(data) }),
                None => json!({ "code": error.code }),
            })
            .collect();
        let content = content(&call.content);
        let mut value = json!({ "name": call.name, "content": content, "result": checked(&call.result) });
        if !errors.is_empty() {
            value["errors"] = Value::Array(errors);
        }
        with_method(value, &call.name, methods.and_then(|names| names.calls.get(index)))
    };
    let message = |(index, message): (usize, &MessageContract)| {
        let value =
            json!({ "name": message.name, "frame": message.frame, "content": content(&message.content) });
        with_method(value, &message.name, methods.and_then(|names| names.messages.get(index)))
    };
    let mut members = Map::new();
    if !side.calls.is_empty() {
        members.insert("calls".to_owned(), side.calls.iter().enumerate().map(call).collect());
    }
    if !side.messages.is_empty() {
        members.insert("messages".to_owned(), side.messages.iter().enumerate().map(message).collect());
    }
    Value::Object(members)
}

fn content(content: &ContentContract) -> Value {
    match content {
        ContentContract::Parameters { parameters: list } => {
            json!({ "kind": "parameters", "parameters": parameters(list) })
        }
        ContentContract::Json { schema } => json!({ "kind": "json", "schema": checked(schema) }),
        ContentContract::Nothing => json!({ "kind": "nothing" }),
        ContentContract::Raw => json!({ "kind": "raw" }),
    }
}

fn parameters(list: &[ParameterContract]) -> Value {
    let parameter = |parameter: &ParameterContract| {
        let mut value = json!({ "name": parameter.name, "schema": checked(&parameter.schema) });
        if parameter.is_optional {
            value["is_optional"] = Value::Bool(true);
        }
        value
    };
    list.iter().map(parameter).collect()
}

/// Returns the part of a schema that a client checks.
fn checked(schema: &Value) -> Value {
    let Value::Object(schema) = schema else { return schema.clone() };
    let each = |value: &Value| match value {
        Value::Array(items) => items.iter().map(checked).collect(),
        other => checked(other),
    };
    let part = |(keyword, value): (&String, &Value)| {
        let value = match (keyword.as_str(), value) {
            ("const" | "enum" | "required" | "type", value) => value.clone(),
            ("properties" | "patternProperties", Value::Object(members)) => {
                members.iter().map(|(name, member)| (name.clone(), checked(member))).collect()
            }
            (_, value) => each(value),
        };
        (keyword.clone(), value)
    };
    schema.iter().filter(|(keyword, _)| CHECKED.contains(&keyword.as_str())).map(part).collect()
}

/// Returns the literal of a value. Further lines have the indentation.
fn render(value: &Value, indent: &str) -> String {
    let inline = inline(value);
    if indent.len() + inline.len() <= MAX_LINE {
        return inline;
    }
    let deeper = format!("{indent}  ");
    let (open, lines, close): (_, Vec<_>, _) = match value {
        Value::Array(items) => ("[", items.iter().map(|item| render(item, &deeper)).collect(), "]"),
        Value::Object(members) => {
            let member =
                |(name, value): (&String, &Value)| format!("{}: {}", key(name), render(value, &deeper));
            ("{", sorted(members).map(member).collect(), "}")
        }
        _ => return inline,
    };
    let mut text = format!("{open}\n");
    for line in lines {
        let _ = writeln!(text, "{deeper}{line},");
    }
    text + indent + close
}

fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| format!("{}: {}", key(name), inline(value));
            format!("{{ {} }}", sorted(members).map(member).collect::<Vec<_>>().join(", "))
        }
        value => value.to_string(),
    }
}

/// Returns the name of a member. `__proto__` without brackets would be the prototype.
fn key(name: &str) -> String {
    if name == "__proto__" { "[\"__proto__\"]".to_owned() } else { names::member(name) }
}
