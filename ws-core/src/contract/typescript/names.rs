//! Identifiers, and names of files.

use std::collections::BTreeSet;

/// Words that name neither variables nor types, and the parameter that each call has.
const KEYWORDS: &[&str] = &[
    "arguments",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "eval",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "let",
    "new",
    "null",
    "options",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "static",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "undefined",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

/// Types of the language, and those that generated code uses.
const TYPES: &[&str] = &[
    "Array",
    "ArrayBuffer",
    "ArrayBufferView",
    "Promise",
    "URL",
    "Uint8Array",
    "any",
    "as",
    "async",
    "bigint",
    "boolean",
    "declare",
    "infer",
    "is",
    "keyof",
    "never",
    "number",
    "object",
    "of",
    "readonly",
    "string",
    "symbol",
    "type",
    "unique",
    "unknown",
];

/// The types of the module that generated code imports or exports.
const IMPORTED: &[&str] = &[
    "CallError",
    "CallOptions",
    "Client",
    "ConnectOptions",
    "ContractError",
    "DisconnectedError",
    "HandlerContext",
    "HandlerContract",
];

/// Members that the class of a client has, and those that would change what JavaScript does with a value.
const MEMBERS: &[&str] = &[
    "__proto__",
    "close",
    "closed",
    "constructor",
    "handle",
    "hasOwnProperty",
    "isPrototypeOf",
    "on",
    "onError",
    "onReconnecting",
    "onReset",
    "onResumed",
    "propertyIsEnumerable",
    "prototype",
    "socket",
    "then",
    "toJSON",
    "toLocaleString",
    "toString",
    "valueOf",
];

/// The change of a name that is taken.
#[derive(Clone, Copy)]
pub(super) enum Suffix {
    /// `name_`, `name__`.
    Underscore,
    /// `name2`, `name3`.
    Number,
}

/// Returns a name that is not taken, and takes it.
pub(super) fn unique(name: &str, taken: &mut BTreeSet<String>, suffix: Suffix) -> String {
    let mut found = name.to_owned();
    let mut number = 1_u64;
    while !taken.insert(found.clone()) {
        number += 1;
        match suffix {
            Suffix::Underscore => found.push('_'),
            Suffix::Number => found = format!("{name}{number}"),
        }
    }
    found
}

/// Returns the names that types cannot have.
pub(super) fn reserved_types() -> BTreeSet<String> {
    KEYWORDS.iter().chain(TYPES).chain(IMPORTED).map(|&name| name.to_owned()).collect()
}

/// Returns the names that parameters cannot have.
pub(super) fn reserved_variables() -> BTreeSet<String> {
    KEYWORDS.iter().map(|&name| name.to_owned()).collect()
}

/// Returns the names that methods cannot have.
pub(super) fn reserved_members() -> BTreeSet<String> {
    MEMBERS.iter().map(|&name| name.to_owned()).collect()
}

/// Returns whether a text can be a name without quotes.
pub(super) fn is_identifier(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
}

/// Returns an identifier that is like a text: other characters become `_`.
pub(super) fn identifier(text: &str) -> String {
    let mut name: String =
        text.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '_' }).collect();
    if !is_identifier(&name) {
        name.insert(0, '_');
    }
    name
}

/// Returns the name of a file without its ending: `price-board` for `PriceBoard`.
pub(super) fn file(handler: &str) -> String {
    let mut name = String::new();
    let mut is_after_lower = false;
    for char in handler.chars() {
        if char.is_ascii_uppercase() && is_after_lower {
            name.push('-');
        }
        name.push(if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' });
        is_after_lower = char.is_ascii_lowercase() || char.is_ascii_digit();
    }
    let parts: Vec<_> = name.split('-').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "handler".to_owned() } else { parts.join("-") }
}

/// Returns a member as code has it: quoted, unless it is an identifier.
pub(super) fn member(name: &str) -> String {
    if is_identifier(name) { name.to_owned() } else { string(name) }
}

/// Returns the literal of a string.
pub(super) fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
