//! The parameters of path and query string, from the extractors of `#[on_upgrade]`.

use super::describe::ExtractorOf;
use crate::contract_model::{Description, HasSchema, JsonSchema, ParameterContract};
use crate::router::{Path, Query};

impl<T> ExtractorOf<Path<T>> {
    /// Describes the parameters of the path.
    pub fn describe(self, to: &mut Description)
    where
        T: HasSchema,
    {
        let schema = to.read_inline::<T>();
        let parameters = &mut to.contract.path_parameters;
        // A struct by the names of its fields, a tuple by position, another type is the only parameter.
        if schema.get("properties").is_some() {
            for member in members(&schema) {
                if let Some(parameter) = parameters.iter_mut().find(|known| known.name == member.name) {
                    *parameter = ParameterContract { is_optional: false, ..member };
                }
            }
        } else if let Some(JsonSchema::Array(items)) = schema.get("items") {
            for (parameter, schema) in parameters.iter_mut().zip(items) {
                parameter.schema = schema.clone();
            }
        } else if let [parameter] = &mut **parameters {
            parameter.schema = schema;
        }
    }
}

impl<T> ExtractorOf<Query<T>> {
    /// Describes the parameters of the query string.
    pub fn describe(self, to: &mut Description)
    where
        T: HasSchema,
    {
        let schema = to.read_inline::<T>();
        to.contract.query.extend(members(&schema));
    }
}

impl<T> ExtractorOf<Option<Query<T>>> {
    /// Describes the parameters of a query string that may be missing.
    pub fn describe(self, to: &mut Description)
    where
        T: HasSchema,
    {
        let schema = to.read_inline::<T>();
        let optional = members(&schema).map(|member| ParameterContract { is_optional: true, ..member });
        to.contract.query.extend(optional);
    }
}

/// The extractors that are neither `Path` nor `Query`.
pub trait OtherExtractor {
    /// Describes nothing.
    fn describe(self, to: &mut Description);
}

impl<T> OtherExtractor for ExtractorOf<T> {
    fn describe(self, _: &mut Description) {}
}

/// Returns the members of an object as parameters.
fn members(schema: &JsonSchema) -> impl Iterator<Item = ParameterContract> {
    let is_required = |name: &str| {
        let names = schema.get("required").and_then(JsonSchema::as_array);
        names.is_some_and(|names| names.iter().any(|required| required == name))
    };
    let properties = schema.get("properties").and_then(JsonSchema::as_object);
    properties.into_iter().flatten().map(move |(name, member)| {
        let mut schema = member.clone();
        let description = schema.as_object_mut().and_then(|members| members.remove("description"));
        ParameterContract {
            name: name.clone(),
            description: description.and_then(|text| text.as_str().map(ToOwned::to_owned)),
            is_optional: !is_required(name),
            schema,
        }
    })
}
