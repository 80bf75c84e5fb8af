//! The changes between two contracts.

mod contents;
mod messages;

use std::collections::BTreeSet;

use super::rules::{ContractChange, Rule};
use crate::contract_model::{Contract, HandlerContract, LimitsContract};

/// The changes of one handler.
#[derive(Debug)]
pub(super) struct HandlerChanges {
    pub(super) path: String,
    /// The versions before and after.
    pub(super) versions: (u32, u32),
    pub(super) changes: Vec<ContractChange>,
}

/// Returns the handlers with changes, in the order of their paths.
pub(super) fn compare(old: &Contract, new: &Contract) -> Vec<HandlerChanges> {
    let paths: BTreeSet<&String> =
        old.handlers.iter().chain(&new.handlers).map(|handler| &handler.path).collect();
    let find = |contract: &Contract, path: &String| {
        contract.handlers.iter().find(|handler| handler.path == *path).cloned()
    };
    let changed = paths.into_iter().filter_map(|path| {
        let (old, new) = (find(old, path), find(new, path));
        let version =
            |handler: &Option<HandlerContract>| handler.as_ref().map_or(0, |handler| handler.version);
        let versions = (version(&old), version(&new));
        let whole =
            |rule| vec![ContractChange { rule, subject: format!("the handler at `{path}`"), why: None }];
        let changes = match (old, new) {
            (None, Some(_)) => whole(Rule::HandlerAdded),
            (Some(_), None) => whole(Rule::HandlerRemoved),
            (Some(old), Some(new)) => compare_handlers(&old, &new),
            (None, None) => Vec::new(),
        };
        (!changes.is_empty()).then(|| HandlerChanges { path: path.clone(), versions, changes })
    });
    changed.collect()
}

fn compare_handlers(old: &HandlerContract, new: &HandlerContract) -> Vec<ContractChange> {
    let mut comparison = Comparison { old, new, changes: Vec::new() };
    comparison.run();
    // Methods of several states may have the same change.
    let mut seen = Vec::new();
    comparison.changes.retain(|change| {
        let is_new = !seen.contains(change);
        seen.push(change.clone());
        is_new
    });
    if comparison.changes.is_empty() && old != new {
        // The rules cover all else, as a test shows.
        comparison.add(Rule::DocumentationChanged, format!("the handler at `{}`", new.path));
    }
    comparison.changes
}

struct Comparison<'a> {
    old: &'a HandlerContract,
    new: &'a HandlerContract,
    changes: Vec<ContractChange>,
}

#[derive(Clone, Copy)]
struct ParameterRules {
    added: Rule,
    needed: Rule,
    removed: Rule,
    optional: Rule,
    schema: SchemaRules,
}

/// The rules of a schema: for fewer and for more values.
#[derive(Clone, Copy)]
struct SchemaRules {
    breaking: Rule,
    compatible: Rule,
}

impl Comparison<'_> {
    fn add(&mut self, rule: Rule, subject: String) {
        self.changes.push(ContractChange { rule, subject, why: None });
    }

    fn run(&mut self) {
        let (old, new) = (self.old, self.new);
        // A new member needs a rule in one of the functions below.
        let HandlerContract {
            name: _,
            path: _,
            is_described: _,
            version: _,
            description: _,
            path_parameters: _,
            query: _,
            subprotocols: _,
            envelope: _,
            limits: _,
            session: _,
            client: _,
            server: _,
            close_codes: _,
            states: _,
            transitions: _,
            schemas: _,
        } = old;
        let handler = format!("the handler at `{}`", new.path);
        match (old.is_described, new.is_described) {
            (true, false) => return self.add(Rule::DescriptionRemoved, handler),
            (false, true) => self.add(Rule::DescriptionAdded, handler.clone()),
            _ => {}
        }
        if old.is_described && new.version != old.version {
            let rule = if new.version > old.version { Rule::VersionRaised } else { Rule::VersionLowered };
            self.add(rule, handler);
        }
        self.compare_request();
        self.compare_connection();
        if !old.is_described {
            return;
        }
        if old.envelope != new.envelope {
            self.add(Rule::EnvelopeChanged, "the envelope".into());
        }
        self.compare_states();
        self.compare_calls();
        self.compare_client_messages();
        self.compare_server_messages();
        self.compare_client_calls();
    }

    /// Compares what clients write into the request.
    fn compare_request(&mut self) {
        let (old, new) = (self.old, self.new);
        let rules =
            SchemaRules { breaking: Rule::PathParameterNarrowed, compatible: Rule::PathParameterWidened };
        for parameter in &old.path_parameters {
            let subject = format!("the parameter `{}` of the path", parameter.name);
            match new.path_parameters.iter().find(|after| after.name == parameter.name) {
                Some(after) => self.client_schema((&parameter.schema, &after.schema), rules, subject),
                None => self.add(rules.breaking, subject),
            }
        }
        let rules = ParameterRules {
            added: Rule::QueryAdded,
            needed: Rule::QueryNeeded,
            removed: Rule::QueryRemoved,
            optional: Rule::QueryOptional,
            schema: SchemaRules { breaking: Rule::QueryNarrowed, compatible: Rule::QueryWidened },
        };
        self.parameters(&old.query, &new.query, rules, "of the query");
        for (lists, rule) in [
            ((&new.subprotocols, &old.subprotocols), Rule::SubprotocolAdded),
            ((&old.subprotocols, &new.subprotocols), Rule::SubprotocolRemoved),
        ] {
            for name in lists.0.iter().filter(|name| !lists.1.contains(name)) {
                self.add(rule, format!("the subprotocol `{name}`"));
            }
        }
    }

    /// Compares limits, sessions and close codes.
    fn compare_connection(&mut self) {
        let (old, new) = (self.old, self.new);
        let pairs = limits(&old.limits).into_iter().zip(limits(&new.limits));
        for ((name, before), (_, after)) in pairs {
            let most = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
            let rule = match most(after).cmp(&most(before)) {
                std::cmp::Ordering::Less => Rule::LimitLowered,
                std::cmp::Ordering::Greater => Rule::LimitRaised,
                std::cmp::Ordering::Equal => continue,
            };
            self.add(rule, format!("the limit `{name}`"));
        }
        match (&old.session, &new.session) {
            (None, Some(_)) => self.add(Rule::SessionAdded, "the session".into()),
            (Some(_), None) => self.add(Rule::SessionRemoved, "the session".into()),
            (Some(before), Some(after)) => {
                for (name, before, after) in
                    [("resume", before.resume, after.resume), ("buffer", before.buffer, after.buffer)]
                {
                    if before != after {
                        let rule = if after < before { Rule::LimitLowered } else { Rule::LimitRaised };
                        self.add(rule, format!("the limit `{name}` of the session"));
                    }
                }
            }
            (None, None) => {}
        }
        for (here, there, rule) in [
            (&new.close_codes, &old.close_codes, Rule::CloseCodeAdded),
            (&old.close_codes, &new.close_codes, Rule::CloseCodeRemoved),
        ] {
            for close in here.iter().filter(|close| there.iter().all(|other| other.code != close.code)) {
                self.add(rule, format!("the close code {} ({})", close.code, close.reason));
            }
        }
    }
}

fn limits(limits: &LimitsContract) -> [(&'static str, Option<u64>); 6] {
    let LimitsContract {
        max_message_size,
        max_frame_size,
        max_message_rate,
        max_deferred,
        idle_timeout,
        max_lifetime,
        // The server pings, and a client that does not ask for compression gets none.
        ping_interval: _,
        compress: _,
    } = *limits;
    [
        ("max_message_size", max_message_size),
        ("max_frame_size", max_frame_size),
        ("max_message_rate", max_message_rate.map(u64::from)),
        ("max_deferred", Some(max_deferred)),
        ("idle_timeout", idle_timeout),
        ("max_lifetime", max_lifetime),
    ]
}
