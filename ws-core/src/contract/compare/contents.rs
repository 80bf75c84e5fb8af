//! The changes of contents: parameters and values.

use super::{Comparison, ParameterRules, SchemaRules};
use crate::contract::rules::{ClientEffect, ContractChange, Rule};
use crate::contract::schema_fit::{differs, misfit};
use crate::contract_model::{ContentContract, JsonSchema, ParameterContract};

impl Comparison<'_> {
    /// Compares what a client sends.
    pub(super) fn client_content(
        &mut self,
        before: &ContentContract,
        after: &ContentContract,
        subject: &str,
    ) {
        let rules = SchemaRules { breaking: Rule::ContentNarrowed, compatible: Rule::ContentWidened };
        match (before, after) {
            (before, after) if before == after && self.old.schemas == self.new.schemas => {}
            (ContentContract::Json { schema: before }, ContentContract::Json { schema: after }) => {
                self.client_schema((before, after), rules, subject.to_owned());
            }
            (before, after) if parameters_of(before).is_some() && parameters_of(after).is_some() => {
                let (before, after) =
                    (parameters_of(before).unwrap_or(&[]), parameters_of(after).unwrap_or(&[]));
                let parameter_rules = ParameterRules {
                    added: Rule::ParameterAdded,
                    needed: Rule::ParameterNeeded,
                    removed: Rule::ParameterRemoved,
                    optional: Rule::ParameterOptional,
                    schema: rules,
                };
                self.parameters(before, after, parameter_rules, &format!("of {subject}"));
                let common = before.iter().filter(|known| after.iter().any(|other| other.name == known.name));
                for (parameter, other) in common.zip(after) {
                    if parameter.name != other.name {
                        self.add(
                            Rule::ParameterMoved,
                            format!("the parameter `{}` of {subject}", parameter.name),
                        );
                        break;
                    }
                }
            }
            (before, after) if before == after => {}
            _ => self.add(Rule::ContentKind, subject.to_owned()),
        }
    }

    /// Compares what a client sends with several contents, of which the closest one decides.
    pub(super) fn client_contents(
        &mut self,
        before: &ContentContract,
        after: &[&ContentContract],
        subject: &str,
    ) {
        let mut closest: Option<Vec<ContractChange>> = None;
        let breaking = |changes: &[ContractChange]| {
            changes.iter().filter(|change| change.rule.effect() == ClientEffect::Breaking).count()
        };
        for content in after {
            let others = std::mem::take(&mut self.changes);
            self.client_content(before, content, subject);
            let found = std::mem::replace(&mut self.changes, others);
            if closest.as_ref().is_none_or(|known| breaking(&found) < breaking(known)) {
                closest = Some(found);
            }
        }
        self.changes.extend(closest.into_iter().flatten());
    }

    /// Compares what the server sends.
    pub(super) fn server_content(
        &mut self,
        before: &ContentContract,
        after: &ContentContract,
        rules: SchemaRules,
        subject: String,
    ) {
        match (before, after) {
            (ContentContract::Json { schema: before }, ContentContract::Json { schema: after }) => {
                self.server_schema((before, after), rules, subject);
            }
            (
                ContentContract::Parameters { parameters: before },
                ContentContract::Parameters { parameters: after },
            ) => self.server_schema((&object_of(before), &object_of(after)), rules, subject),
            (before, after) if before == after => {}
            _ => self.add(rules.breaking, subject),
        }
    }

    pub(super) fn parameters(
        &mut self,
        old: &[ParameterContract],
        new: &[ParameterContract],
        rules: ParameterRules,
        place: &str,
    ) {
        for parameter in new {
            let subject = format!("the parameter `{}` {place}", parameter.name);
            match old.iter().find(|before| before.name == parameter.name) {
                None if parameter.is_optional => self.add(rules.added, subject),
                None => self.add(rules.needed, subject),
                Some(before) => {
                    match (before.is_optional, parameter.is_optional) {
                        (true, false) => self.add(rules.needed, subject.clone()),
                        (false, true) => self.add(rules.optional, subject.clone()),
                        _ => {}
                    }
                    self.client_schema((&before.schema, &parameter.schema), rules.schema, subject);
                }
            }
        }
        for parameter in old.iter().filter(|before| new.iter().all(|after| after.name != before.name)) {
            self.add(rules.removed, format!("the parameter `{}` {place}", parameter.name));
        }
    }

    /// Compares the schemas of a value that clients send: the new one has to take all values of the old one.
    pub(super) fn client_schema(
        &mut self,
        (before, after): (&JsonSchema, &JsonSchema),
        rules: SchemaRules,
        subject: String,
    ) {
        let (old, new) = (&self.old.schemas, &self.new.schemas);
        match misfit((before, old), (after, new)) {
            Some(why) => self.changes.push(ContractChange { rule: rules.breaking, subject, why: Some(why) }),
            None if differs((before, old), (after, new)) => self.add(rules.compatible, subject),
            None => {}
        }
    }

    /// Compares the schemas of a value that clients read: the old one has to take all values of the new one.
    pub(super) fn server_schema(
        &mut self,
        (before, after): (&JsonSchema, &JsonSchema),
        rules: SchemaRules,
        subject: String,
    ) {
        let (old, new) = (&self.old.schemas, &self.new.schemas);
        match misfit((after, new), (before, old)) {
            Some(why) => self.changes.push(ContractChange { rule: rules.breaking, subject, why: Some(why) }),
            None if differs((before, old), (after, new)) => self.add(rules.compatible, subject),
            None => {}
        }
    }
}

/// Returns the schema of parameters by name.
fn object_of(parameters: &[ParameterContract]) -> JsonSchema {
    let properties: serde_json::Map<_, _> =
        parameters.iter().map(|one| (one.name.clone(), one.schema.clone())).collect();
    let required: Vec<_> = parameters.iter().filter(|one| !one.is_optional).map(|one| &one.name).collect();
    serde_json::json!({ "type": "object", "properties": properties, "required": required })
}

/// Returns the parameters of a content that has some, or none at all.
fn parameters_of(content: &ContentContract) -> Option<&[ParameterContract]> {
    match content {
        ContentContract::Parameters { parameters } => Some(parameters),
        ContentContract::Nothing => Some(&[]),
        _ => None,
    }
}
