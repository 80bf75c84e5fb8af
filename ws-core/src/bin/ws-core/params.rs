//! The parameters of a call or message, from what a person writes.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use ws_core::contract::{ContentContract, JsonSchema, ParameterContract};

use crate::failure::Failure;
use crate::schema::{NamedSchemas, mismatch, resolve};
use crate::shape::Shape;
use crate::text::nearest;

/// The call or message whose parameters are read.
#[derive(Clone, Copy)]
pub(crate) struct ParameterReader<'a> {
    pub(crate) name: &'a str,
    /// `None` without a contract.
    pub(crate) content: Option<&'a ContentContract>,
    pub(crate) schemas: &'a NamedSchemas,
    /// Whether a value that is neither an object nor an array goes into an array.
    pub(crate) is_json_rpc: bool,
}

/// What a person gives.
enum Given {
    Nothing,
    Json(Box<RawValue>),
    Pairs(Vec<(String, String)>),
}

impl ParameterReader<'_> {
    /// Returns the parameters as JSON; `None` if there are none.
    pub(crate) fn read(&self, arguments: &[String]) -> Result<Option<Box<RawValue>>, Failure> {
        let given = self.given(arguments)?;
        match self.content {
            None => self.unchecked(given),
            Some(ContentContract::Parameters { parameters }) => self.by_name(parameters, given).map(Some),
            Some(ContentContract::Json { schema }) => self.one_value(schema, given).map(Some),
            Some(_) => match given {
                Given::Nothing => Ok(None),
                _ => Err(self.wrong(format!("`{}` takes no parameters", self.name))),
            },
        }
    }

    fn given(&self, arguments: &[String]) -> Result<Given, Failure> {
        let raw = |text: &String| serde_json::from_str::<Box<RawValue>>(text);
        let pair = |text: &String| {
            let (name, value) = text.split_once('=')?;
            let is_name = name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c)) && !name.is_empty();
            is_name.then(|| (name.to_owned(), value.to_owned()))
        };
        match arguments {
            [] => Ok(Given::Nothing),
            [only] if pair(only).is_none() => raw(only).map(Given::Json).map_err(|error| {
                let message = format!("the parameters are neither JSON nor `name=value`: {error}");
                self.wrong(message)
            }),
            several => {
                let pairs: Option<Vec<_>> = several.iter().map(pair).collect();
                let message = "several parameters are pairs, `name=value`, or one JSON value in quotes";
                pairs.map(Given::Pairs).ok_or_else(|| self.wrong(message))
            }
        }
    }

    /// Returns the parameters for a server without a contract.
    fn unchecked(&self, given: Given) -> Result<Option<Box<RawValue>>, Failure> {
        match given {
            Given::Nothing => Ok(None),
            Given::Json(json) => self.wrapped(json).map(Some),
            Given::Pairs(pairs) => {
                let members: BTreeMap<_, _> =
                    pairs.iter().map(|(name, text)| (name, json_or_string(text))).collect();
                self.encoded(&members).map(Some)
            }
        }
    }

    /// Returns named parameters as an object.
    fn by_name(&self, parameters: &[ParameterContract], given: Given) -> Result<Box<RawValue>, Failure> {
        let mut members: BTreeMap<String, Box<RawValue>> = BTreeMap::new();
        match given {
            Given::Nothing => {}
            Given::Pairs(pairs) => {
                for (name, text) in pairs {
                    let known = parameters.iter().find(|parameter| parameter.name == name);
                    let schema = known.map_or(&Value::Bool(true), |parameter| &parameter.schema);
                    members.insert(name, self.pair_value(schema, &text));
                }
            }
            Given::Json(json) => match json.get().as_bytes().first() {
                Some(b'{') => {
                    members = serde_json::from_str(json.get()).map_err(|error| self.broken(&error))?;
                }
                Some(b'[') => {
                    let values: Vec<Box<RawValue>> =
                        serde_json::from_str(json.get()).map_err(|error| self.broken(&error))?;
                    if values.len() > parameters.len() {
                        let (takes, has) = (parameters.len(), values.len());
                        let message = format!("`{}` takes {takes} parameters, and not {has}", self.name);
                        return Err(self.wrong(message));
                    }
                    let names = parameters.iter().map(|parameter| parameter.name.clone());
                    members = names.zip(values).collect();
                }
                _ => {
                    let message = "the parameters are an object by name, or an array in their order";
                    return Err(self.wrong(message));
                }
            },
        }
        for name in members.keys() {
            if parameters.iter().all(|parameter| parameter.name != *name) {
                let near = nearest(name, parameters.iter().map(|parameter| &*parameter.name));
                let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                return Err(self.wrong(format!("`{}` has no parameter `{name}`{near}", self.name)));
            }
        }
        for parameter in parameters {
            match members.get(&parameter.name) {
                None if parameter.is_optional => {}
                None => {
                    let shape = Shape::default().of(&parameter.schema);
                    let name = &parameter.name;
                    return Err(self.wrong(format!("`{name}` is missing, and the contract says: {shape}")));
                }
                Some(value) => self.check(&parameter.schema, value, &parameter.name)?,
            }
        }
        self.encoded(&members)
    }

    /// Returns one value for all parameters.
    fn one_value(&self, schema: &JsonSchema, given: Given) -> Result<Box<RawValue>, Failure> {
        let value = match given {
            Given::Json(json) => json,
            Given::Nothing => {
                let shape = Shape::default().of(schema);
                return Err(self.wrong(format!("the value is missing, and the contract says: {shape}")));
            }
            Given::Pairs(pairs) => {
                let found = resolve(schema, self.schemas);
                let any = Value::Bool(true);
                let members: BTreeMap<_, _> = pairs
                    .iter()
                    .map(|(name, text)| {
                        let of_member = found.get("properties").and_then(|all| all.get(name));
                        (name, self.pair_value(of_member.unwrap_or(&any), text))
                    })
                    .collect();
                self.encoded(&members)?
            }
        };
        self.check(schema, &value, "value")?;
        self.wrapped(value)
    }

    /// Returns the value of a pair: JSON, or a string if only that fits.
    fn pair_value(&self, schema: &JsonSchema, text: &str) -> Box<RawValue> {
        let json = json_or_string(text);
        let fits = |json: &RawValue| {
            let value: Option<Value> = serde_json::from_str(json.get()).ok();
            value.is_none_or(|value| mismatch(schema, &value, self.schemas, "").is_none())
        };
        match to_raw_value(text) {
            Ok(string) if !fits(&json) && fits(&string) => string,
            _ => json,
        }
    }

    fn check(&self, schema: &JsonSchema, value: &RawValue, path: &str) -> Result<(), Failure> {
        let value: Value = serde_json::from_str(value.get()).map_err(|error| self.broken(&error))?;
        mismatch(schema, &value, self.schemas, path).map_or(Ok(()), |why| Err(self.wrong(why)))
    }

    fn wrapped(&self, value: Box<RawValue>) -> Result<Box<RawValue>, Failure> {
        if self.is_json_rpc && !value.get().starts_with(['{', '[']) {
            return self.encoded(&[value]);
        }
        Ok(value)
    }

    fn encoded(&self, value: &impl serde::Serialize) -> Result<Box<RawValue>, Failure> {
        to_raw_value(value).map_err(|error| self.broken(&error))
    }

    fn broken(&self, error: &serde_json::Error) -> Failure {
        self.wrong(format!("the parameters are not JSON that fits: {error}"))
    }

    fn wrong(&self, message: impl Into<String>) -> Failure {
        let failure = Failure::usage(message);
        match self.content {
            Some(content) => {
                let parameters = Shape::default().parameters(content);
                failure.help(format!("the contract has `{}{parameters}`", self.name))
            }
            None => failure.help("quote JSON for the shell: '{\"symbols\":[\"AAPL\"]}'"),
        }
    }
}

fn json_or_string(text: &str) -> Box<RawValue> {
    let json = serde_json::from_str(text).or_else(|_| to_raw_value(text));
    json.unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Splits the parameters of a line: at spaces outside of strings and brackets. What begins like JSON is one value.
pub(crate) fn split(line: &str) -> Vec<String> {
    let line = line.trim();
    if line.starts_with(['{', '[', '"']) {
        return vec![line.to_owned()];
    }
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    for char in line.chars() {
        if char == '"' && !is_escaped {
            is_string = !is_string;
        }
        is_escaped = is_string && char == '\\' && !is_escaped;
        match char {
            '{' | '[' if !is_string => depth += 1,
            '}' | ']' if !is_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if char.is_whitespace() && !is_string && depth == 0 {
            parts.push(std::mem::take(&mut part));
        } else {
            part.push(char);
        }
    }
    parts.push(part);
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(content: Option<&Value>, arguments: &[&str]) -> Result<Option<String>, String> {
        let content = content.map(|content| serde_json::from_value(content.clone()).unwrap());
        let schemas = NamedSchemas::new();
        let reader =
            ParameterReader { name: "buy", content: content.as_ref(), schemas: &schemas, is_json_rpc: true };
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let read = reader.read(&arguments);
        read.map(|json| json.map(|json| json.get().to_owned())).map_err(|failure| failure.to_string())
    }

    #[track_caller]
    fn check(content: &Value, arguments: &[&str], expect: Result<&str, &str>) {
        match (read(Some(content), arguments), expect) {
            (Ok(found), Ok(expect)) => assert_eq!(found.as_deref().unwrap_or("nothing"), expect),
            (Err(found), Err(expect)) => assert!(found.contains(expect), "{found}"),
            (found, expect) => panic!("{found:?} is not {expect:?}"),
        }
    }

    #[test]
    fn parameters_are_named() {
        let content = json!({ "kind": "parameters", "parameters": [
            { "name": "symbol", "schema": { "type": "string" } },
            { "name": "count", "is_optional": true, "schema": { "type": ["integer", "null"] } },
        ] });
        check(&content, &[r#"{"symbol": "A"}"#], Ok(r#"{"symbol":"A"}"#));
        check(&content, &[r#"["A", 2]"#], Ok(r#"{"count":2,"symbol":"A"}"#));
        check(&content, &["symbol=A", "count=2"], Ok(r#"{"count":2,"symbol":"A"}"#));
        check(&content, &["symbol=7"], Ok(r#"{"symbol":"7"}"#));
        check(&content, &["symbol=\"A=B\""], Ok(r#"{"symbol":"A=B"}"#));
        check(&content, &[], Err("`symbol` is missing, and the contract says: string"));
        check(&content, &["symbl=A"], Err("`buy` has no parameter `symbl`; did you mean `symbol`?"));
        check(
            &content,
            &["symbol=A", "count=x"],
            Err("`count` is \"x\", and the contract says: integer | null"),
        );
        check(&content, &["A"], Err("neither JSON nor"));
        check(&content, &["A", "B"], Err("are pairs"));
        check(&content, &["7"], Err("an object by name"));
        check(&content, &["[1, 2, 3]"], Err("takes 2 parameters, and not 3"));
        check(&content, &["{"], Err("help: the contract has `buy(symbol: string, count?: integer | null)`"));
    }

    #[test]
    fn one_value_is_wrapped_for_json_rpc() {
        let content = json!({ "kind": "json", "schema": { "type": ["string", "object"], "properties": { "n": { "type": "string" } } } });
        check(&content, &[r#""A""#], Ok(r#"["A"]"#));
        check(&content, &["n=1"], Ok(r#"{"n":"1"}"#));
        check(&content, &["1"], Err("`value` is 1"));
        check(&content, &[], Err("the value is missing"));
        let nothing = json!({ "kind": "nothing" });
        check(&nothing, &[], Ok("nothing"));
        check(&nothing, &["1"], Err("`buy` takes no parameters"));
    }

    #[test]
    fn without_a_contract_all_is_sent() {
        assert_eq!(read(None, &[]).unwrap(), None);
        assert_eq!(read(None, &["1.50"]).unwrap().unwrap(), "[1.50]");
        assert_eq!(read(None, &["a=1", "b=x y"]).unwrap().unwrap(), r#"{"a":1,"b":"x y"}"#);
    }

    #[test]
    fn lines_are_split_outside_of_json() {
        assert_eq!(split(r#"a=[1, "x y"] b="q \" r"  c=d"#), [r#"a=[1, "x y"]"#, r#"b="q \" r""#, "c=d"]);
        assert_eq!(split(r#" { "a": 1 } "#), [r#"{ "a": 1 }"#]);
        assert_eq!(split(" "), [""; 0]);
    }
}
