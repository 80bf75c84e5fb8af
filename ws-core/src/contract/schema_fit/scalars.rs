//! The keywords of types, values, bounds and formats.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{ANNOTATIONS, list};

/// Returns the values of `const` or `enum`.
fn values(schema: &Map<String, Value>) -> Option<Vec<&Value>> {
    match schema.get("const") {
        Some(value) => Some(vec![value]),
        None => list(schema, "enum").map(|values| values.iter().collect()),
    }
}

pub(super) fn values_fit(sub: &Map<String, Value>, sup: &Map<String, Value>) -> Result<(), String> {
    match (values(sub), values(sup)) {
        (Some(all), Some(known)) => match all.iter().find(|value| !known.contains(value)) {
            Some(value) => Err(format!("the value {value} is not known")),
            None => Ok(()),
        },
        (Some(all), None) => {
            let allowed = types(sup);
            let is_restricted = sup.keys().any(|name| {
                !matches!(&**name, "type" | "anyOf" | "oneOf" | "allOf") && !ANNOTATIONS.contains(&&**name)
            });
            if is_restricted {
                return Err("values are compared with types only".into());
            }
            match all.iter().find(|value| !is_of(value, &allowed)) {
                Some(value) => Err(format!("the value {value} has another type")),
                None => Ok(()),
            }
        }
        (None, Some(_)) => Err("only some values are known".into()),
        (None, None) => Ok(()),
    }
}

/// Returns the types of a schema; all without the keyword.
pub(super) fn types(schema: &Map<String, Value>) -> BTreeSet<&str> {
    match schema.get("type") {
        Some(Value::String(ty)) => [&**ty].into(),
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
        _ => ["array", "boolean", "integer", "null", "number", "object", "string"].into(),
    }
}

fn is_of(value: &Value, types: &BTreeSet<&str>) -> bool {
    let ty = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    types.contains(ty) || (ty == "integer" && types.contains("number"))
}

pub(super) fn types_fit(sub: &Map<String, Value>, sup: &Map<String, Value>) -> Result<(), String> {
    let known = types(sup);
    let takes = |ty: &&str| known.contains(ty) || (*ty == "integer" && known.contains("number"));
    match types(sub).into_iter().find(|ty| !takes(ty)) {
        Some(ty) => Err(format!("a value of type {ty} is not taken")),
        None => Ok(()),
    }
}

/// Returns the types that a bound is about. Values of other types have no such bound.
fn bounded_types(keyword: &str) -> &'static [&'static str] {
    match keyword {
        "minLength" | "maxLength" => &["string"],
        "minItems" | "maxItems" => &["array"],
        "minProperties" | "maxProperties" => &["object"],
        _ => &["integer", "number"],
    }
}

/// The bounds whose larger value is stricter, and those whose smaller one is.
const LOWER: [&str; 5] = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];
const UPPER: [&str; 5] = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];

pub(super) fn bounds_fit(sub: &Map<String, Value>, sup: &Map<String, Value>) -> Result<(), String> {
    for (index, keyword) in LOWER.iter().chain(&UPPER).enumerate() {
        let Some(bound) = sup.get(*keyword) else { continue };
        if !bounded_types(keyword).iter().any(|ty| types(sub).contains(ty)) {
            continue;
        }
        let is_lower = index < LOWER.len();
        let own = sub.get(*keyword);
        let is_stricter = match (own.and_then(Value::as_f64), bound.as_f64()) {
            (Some(own), Some(bound)) => {
                if is_lower {
                    own >= bound
                } else {
                    own <= bound
                }
            }
            // The range of an integer's format.
            (None, Some(bound)) => match range(sub) {
                Some((least, _)) if *keyword == "minimum" => least >= bound,
                Some((_, most)) if *keyword == "maximum" => most <= bound,
                _ => false,
            },
            _ => own == Some(bound),
        };
        if !is_stricter {
            return Err(format!("`{keyword}` is {bound}"));
        }
    }
    Ok(())
}

/// Returns the range of an integer's format. The ends of 64 bits and more are rounded, in the same way for both schemas.
#[expect(clippy::cast_precision_loss, reason = "both ranges are rounded in the same way")]
fn range(schema: &Map<String, Value>) -> Option<(f64, f64)> {
    Some(match schema.get("format").and_then(Value::as_str)? {
        "int8" => (f64::from(i8::MIN), f64::from(i8::MAX)),
        "int16" => (f64::from(i16::MIN), f64::from(i16::MAX)),
        "int32" => (f64::from(i32::MIN), f64::from(i32::MAX)),
        "int64" | "int" => (i64::MIN as f64, i64::MAX as f64),
        "int128" => (i128::MIN as f64, i128::MAX as f64),
        "uint8" => (0.0, f64::from(u8::MAX)),
        "uint16" => (0.0, f64::from(u16::MAX)),
        "uint32" => (0.0, f64::from(u32::MAX)),
        "uint64" | "uint" => (0.0, u64::MAX as f64),
        "uint128" => (0.0, u128::MAX as f64),
        _ => return None,
    })
}

pub(super) fn format_fits(sub: &Map<String, Value>, sup: &Map<String, Value>) -> Result<(), String> {
    let (own, other) = (sub.get("format"), sup.get("format"));
    let is_number = types(sub).iter().all(|ty| matches!(*ty, "integer" | "number" | "null"));
    let Some(other) = other else { return Ok(()) };
    // Null has no format.
    if own == Some(other) || types(sub).iter().all(|ty| *ty == "null") {
        return Ok(());
    }
    let fits = match (range(sub), range(sup)) {
        (Some((least, most)), Some((from, to))) => is_number && least >= from && most <= to,
        _ => is_number && own.and_then(Value::as_str) == Some("float") && other == "double",
    };
    if fits { Ok(()) } else { Err(format!("the format is {other}")) }
}
