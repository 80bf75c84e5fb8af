//! Values of structs: scalars, members that may be missing, other names, collections, recursion.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest_derive::Arbitrary;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// The largest integer that all of JavaScript's numbers below have a distance of 1 to.
const MAX_SAFE: u64 = (1 << 53) - 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
pub struct Integers {
    tiny: (u8, i8, u16, i16),
    small: (u32, i32),
    unsigned: u64,
    signed: i64,
    size: usize,
    wide_unsigned: u128,
    wide_signed: i128,
    not_zero: NonZeroU16,
}

impl Integers {
    /// Returns the value with integers up to 2^53.
    pub fn for_javascript(self) -> Self {
        let unsigned = |value: u64| value & MAX_SAFE;
        let signed = |value: i64| value % (MAX_SAFE as i64);
        Self {
            unsigned: unsigned(self.unsigned),
            signed: signed(self.signed),
            size: unsigned(self.size as u64) as usize,
            wide_unsigned: unsigned(self.wide_unsigned as u64).into(),
            wide_signed: signed(self.wide_signed as i64).into(),
            ..self
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
pub struct Scalars {
    flag: bool,
    letter: char,
    text: String,
    nothing: (),
    unit: Unit,
    newtype: Newtype,
    transparent: Transparent,
    tuple: Pair,
    #[proptest(strategy = "finite()")]
    double: f64,
    #[proptest(strategy = "any::<i32>().prop_map(|value| value as f32 / 7.0)")]
    single: f32,
    address: IpAddr,
    #[proptest(
        strategy = "(any::<u32>(), 0..1_000_000_000_u32).prop_map(|(secs, nanos)| Duration::new(secs.into(), nanos))"
    )]
    duration: Duration,
    /// A type that is written as a text.
    text_form: Code,
}

/// Numbers of all sizes. JSON has neither infinity nor NaN.
fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("JSON has only finite numbers", |value| value.is_finite())
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
pub struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
pub struct Newtype(i32);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
#[serde(transparent)]
pub struct Transparent {
    inner: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
pub struct Pair(String, Option<u8>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
#[serde(into = "String", try_from = "String")]
pub struct Code(u16);

impl From<Code> for String {
    fn from(code: Code) -> Self {
        format!("#{}", code.0)
    }
}

impl TryFrom<String> for Code {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.strip_prefix('#').and_then(|code| code.parse().ok()).map(Self).ok_or(text)
    }
}

/// Members that may be missing or null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
pub struct Optional {
    nullable: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
    #[serde(default)]
    defaulted: i32,
    #[serde(default = "seven", skip_serializing_if = "is_seven")]
    seven: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    list: Vec<bool>,
    /// Missing, null, or a number.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some")]
    double: Option<Option<u8>>,
    #[serde(skip)]
    #[proptest(value = "0")]
    skipped: u64,
}

fn seven() -> u8 {
    7
}

fn is_seven(value: &u8) -> bool {
    *value == 7
}

fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u8>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A struct with names of other cases, and members of other structs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
#[serde(rename_all = "kebab-case")]
pub struct Named {
    two_words: bool,
    #[serde(rename = "with space $ and \" quote")]
    renamed: u8,
    #[serde(alias = "other")]
    aliased: u8,
    r#type: String,
    #[serde(flatten)]
    inner: Inner,
    #[serde(flatten)]
    #[proptest(strategy = "extra()")]
    extra: BTreeMap<String, u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
#[serde(rename_all = "camelCase")]
pub struct Inner {
    inner_number: i32,
    inner_text: Option<String>,
}

/// The members of a map that are none of the struct's.
fn extra() -> impl Strategy<Value = BTreeMap<String, u32>> {
    btree_map(any::<String>().prop_map(|name| format!("x{name}")), any::<u32>(), 0..3)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Arbitrary)]
pub struct Collections {
    bytes: Vec<u8>,
    #[proptest(strategy = "vec(any::<Option<Vec<i16>>>(), 0..4)")]
    nested: Vec<Option<Vec<i16>>>,
    fixed: [u8; 3],
    long: [bool; 9],
    #[proptest(strategy = "btree_map(any::<String>(), any::<(u8, String)>(), 0..4)")]
    by_text: BTreeMap<String, (u8, String)>,
    by_number: BTreeMap<i16, bool>,
    by_flag: BTreeMap<bool, u8>,
    by_name: BTreeMap<Color, Newtype>,
    set: BTreeSet<char>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, Arbitrary)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Color {
    DarkRed,
    Blue,
}

/// A type that contains itself, also through another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tree {
    label: u8,
    children: Vec<Tree>,
    next: Option<Box<Link>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    tree: Tree,
}

impl Arbitrary for Tree {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> BoxedStrategy<Self> {
        let leaf = any::<u8>().prop_map(|label| Self { label, children: Vec::new(), next: None });
        let grown = leaf.prop_recursive(4, 16, 3, |tree| {
            let next = proptest::option::of(tree.clone().prop_map(|tree| Box::new(Link { tree })));
            (any::<u8>(), vec(tree, 0..3), next).prop_map(|(label, children, next)| Self {
                label,
                children,
                next,
            })
        });
        grown.boxed()
    }
}
