//! Values of enums in serde's four representations.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest_derive::Arbitrary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
pub struct Enums {
    external: External,
    internal: Internal,
    adjacent: Adjacent,
    untagged: Untagged,
    units: Units,
    result: Result<u8, String>,
    #[serde(flatten)]
    flattened: Flattened,
    #[proptest(strategy = "proptest::collection::vec(any::<Internal>(), 0..3)")]
    list: Vec<Internal>,
    option: Option<Adjacent>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
pub enum Units {
    One,
    #[serde(rename = "zwei")]
    Two,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
#[serde(rename_all = "snake_case")]
pub enum External {
    Unit,
    OtherUnit,
    Newtype(Content),
    #[serde(rename = "2")]
    Tuple(u8, String),
    Named {
        value: bool,
        other: Option<u8>,
    },
    Empty {},
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Internal {
    Unit,
    Newtype(Content),
    Named {
        two_words: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        missing: Option<u8>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
#[serde(tag = "kind", content = "value")]
pub enum Adjacent {
    Unit,
    Newtype(Content),
    Tuple(i16, bool),
    Named { value: String },
}

/// The variants are told apart by their forms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
#[serde(untagged)]
pub enum Untagged {
    Flag(bool),
    Number(i32),
    Text(String),
    Pair(u8, String),
    Named { named: i32 },
    Content(Content),
}

/// Members of the struct around it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
#[serde(tag = "flattened", rename_all = "lowercase")]
pub enum Flattened {
    First { number: i32 },
    Second { text: String },
    Third,
}

/// The content of a variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
pub struct Content {
    #[proptest(
        strategy = "any::<f64>().prop_filter(\"JSON has only finite numbers\", |value| value.is_finite())"
    )]
    float: f64,
    #[proptest(strategy = "proptest::collection::btree_map(any::<String>(), any::<Units>(), 0..3)")]
    map: BTreeMap<String, Units>,
}
