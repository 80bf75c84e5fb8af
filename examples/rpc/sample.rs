//! A value with members of all kinds, for tests of clients.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A value with members of all kinds.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
pub struct Sample {
    text: String,
    signed: i64,
    /// A client in TypeScript refuses integers beyond 2^53, because JavaScript changes their digits.
    unsigned: u64,
    float: f64,
    flag: bool,
    letter: char,
    nothing: (),
    #[serde(skip_serializing_if = "Option::is_none")]
    optional: Option<String>,
    nullable: Option<u8>,
    bytes: Vec<u8>,
    pair: (String, Option<i64>),
    #[serde(rename = "$map")]
    map: BTreeMap<String, Shape>,
    tree: Tree,
    unit: External,
    content: Adjacent,
    untagged: Untagged,
    #[serde(flatten)]
    more: More,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
struct Tree {
    children: Vec<Tree>,
}

/// The members of this type are members of `Sample`.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct More {
    is_more: bool,
}

/// An enum with a tag.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "lowercase")]
enum Shape {
    Circle { radius: f64 },
    Square { side: f64 },
    Point,
}

/// An enum without attributes.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
enum External {
    None,
    Number(f64),
    Pair(i32, i32),
    Named { name: String },
}

/// An enum with a tag and a content.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
#[serde(tag = "kind", content = "value")]
enum Adjacent {
    None,
    Text(String),
    Named { name: String },
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
#[serde(untagged)]
enum Untagged {
    Flag(bool),
    List(Vec<String>),
    Number { n: u32 },
}
