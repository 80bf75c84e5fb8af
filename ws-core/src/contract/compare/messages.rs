//! The changes of calls, messages and states.

use std::collections::BTreeSet;

use super::{Comparison, SchemaRules};
use crate::contract::rules::Rule;
use crate::contract_model::{
    CallContract, ErrorContract, FrameContract, HandlerContract, JsonSchema, MessageContract,
    TransitionContract,
};

impl Comparison<'_> {
    pub(super) fn compare_states(&mut self) {
        let (old, new) = (self.old, self.new);
        let first = |handler: &HandlerContract| -> BTreeSet<String> {
            handler.states.iter().filter(|state| state.is_initial).map(|state| state.name.clone()).collect()
        };
        if first(old) != first(new) {
            self.add(Rule::FirstStateChanged, "the first state".into());
        }
        for transition in new.transitions.iter().filter(|transition| !old.transitions.contains(transition)) {
            let is_known = knows(old, &transition.event, &transition.name)
                && old.states.iter().any(|state| state.name == transition.from);
            let rule = if is_known { Rule::TransitionAdded } else { Rule::TransitionNew };
            self.add(rule, transition_text(transition));
        }
        for transition in old.transitions.iter().filter(|transition| !new.transitions.contains(transition)) {
            self.add(Rule::TransitionRemoved, transition_text(transition));
        }
        let names = |handler: &HandlerContract| -> BTreeSet<String> {
            handler.states.iter().map(|state| state.name.clone()).collect()
        };
        for name in names(old).symmetric_difference(&names(new)) {
            self.add(Rule::StateListChanged, format!("the state `{name}`"));
        }
    }

    /// Compares the calls of clients.
    pub(super) fn compare_calls(&mut self) {
        let (old, new) = (&self.old.client.calls, &self.new.client.calls);
        for call in added(old, new, |call| &call.name) {
            self.add(Rule::CallAdded, format!("the call `{}`", call.name));
        }
        for before in old {
            let subject = format!("the call `{}`", before.name);
            let Some(found) = counterparts(before, new, |call| (&call.name, &call.states)) else {
                self.add(Rule::CallRemoved, subject);
                continue;
            };
            let states =
                |calls: &[CallContract]| union(calls, &before.name, |call| (&call.name, &call.states));
            self.compare_taken(states(old), states(new), &subject);
            for after in found {
                // A new member of a call needs a rule here.
                let CallContract { name: _, description: _, content, result, errors, states: _ } = after;
                self.client_content(&before.content, content, &subject);
                let rules = SchemaRules { breaking: Rule::ResultWidened, compatible: Rule::ResultNarrowed };
                self.server_schema((&before.result, result), rules, format!("the result of {subject}"));
                self.compare_errors(&before.errors, errors, &subject);
            }
        }
    }

    fn compare_errors(&mut self, before: &[ErrorContract], after: &[ErrorContract], subject: &str) {
        for error in before {
            let text = format!("the error {} of {subject}", error.code);
            match after.iter().find(|other| other.code == error.code) {
                None => self.add(Rule::ErrorRemoved, text),
                Some(ErrorContract { code: _, description: _, data }) => {
                    let any = JsonSchema::Bool(true);
                    let data = (error.data.as_ref().unwrap_or(&any), data.as_ref().unwrap_or(&any));
                    let rules =
                        SchemaRules { breaking: Rule::ErrorDataWidened, compatible: Rule::ErrorDataNarrowed };
                    self.server_schema(data, rules, text);
                }
            }
        }
        for error in after.iter().filter(|error| before.iter().all(|known| known.code != error.code)) {
            self.add(Rule::ErrorAdded, format!("the error {} of {subject}", error.code));
        }
    }

    pub(super) fn compare_client_messages(&mut self) {
        let (old, new) = (unnamed(&self.old.client.messages), unnamed(&self.new.client.messages));
        for message in added(&old, &new, |message| &message.name) {
            self.add(Rule::MessageAdded, format!("the message `{}`", message.name));
        }
        for before in &old {
            let subject = format!("the message `{}`", before.name);
            let Some(found) = counterparts(before, &new, |message| (&message.name, &message.states)) else {
                self.add(Rule::MessageRemoved, subject);
                continue;
            };
            let states = |all: &[MessageContract]| {
                union(all, &before.name, |message| (&message.name, &message.states))
            };
            self.compare_taken(states(&old), states(&new), &subject);
            for after in found {
                // A new member of a message needs a rule here.
                // The frame is a part of the name here.
                let MessageContract { name: _, description: _, frame: _, content, states: _ } = after;
                self.client_content(&before.content, content, &subject);
            }
        }
    }

    pub(super) fn compare_server_messages(&mut self) {
        let (old, new) = (&self.old.server.messages, &self.new.server.messages);
        // The name of a message without an envelope is that of a method, which clients do not see.
        let is_renamed = |message: &MessageContract, others: &[MessageContract]| {
            let same = |other: &&MessageContract| {
                (other.frame, &other.content, &other.states)
                    == (message.frame, &message.content, &message.states)
            };
            message.frame != FrameContract::Envelope && others.iter().any(|other| same(&other))
        };
        for message in added(old, new, |message| &message.name).filter(|message| !is_renamed(message, old)) {
            self.add(Rule::SentAdded, format!("the message `{}` of the server", message.name));
        }
        for before in old {
            let subject = format!("the message `{}` of the server", before.name);
            let Some(found) = counterparts(before, new, |message| (&message.name, &message.states)) else {
                if !is_renamed(before, new) {
                    self.add(Rule::SentRemoved, subject);
                }
                continue;
            };
            let all = |messages: &[MessageContract]| {
                union(messages, &before.name, |message| (&message.name, &message.states))
            };
            let (had, has) = (self.all_states(all(old)), self.all_states(all(new)));
            for state in had.difference(&has) {
                self.once(Rule::SentRemoved, format!("{subject} in the state `{state}`"));
            }
            for state in has.difference(&had) {
                self.once(Rule::SentAdded, format!("{subject} in the state `{state}`"));
            }
            for after in found {
                if before.frame != after.frame {
                    self.add(Rule::SentFrame, subject.clone());
                }
                let rules = SchemaRules { breaking: Rule::SentWidened, compatible: Rule::SentNarrowed };
                self.server_content(&before.content, &after.content, rules, subject.clone());
            }
        }
    }

    /// Compares the calls of the server, which clients answer.
    pub(super) fn compare_client_calls(&mut self) {
        let (old, new) = (&self.old.server.calls, &self.new.server.calls);
        for call in added(old, new, |call| &call.name) {
            self.add(Rule::ClientCallAdded, format!("the call `{}` to clients", call.name));
        }
        for before in old {
            let subject = format!("the call `{}` to clients", before.name);
            let Some(after) = new.iter().find(|after| after.name == before.name) else {
                self.add(Rule::ClientCallRemoved, subject);
                continue;
            };
            let rules =
                SchemaRules { breaking: Rule::ClientCallWidened, compatible: Rule::ClientCallNarrowed };
            self.server_content(&before.content, &after.content, rules, subject.clone());
            let rules =
                SchemaRules { breaking: Rule::ClientResultNarrowed, compatible: Rule::ClientResultWidened };
            self.client_schema((&before.result, &after.result), rules, subject);
        }
    }

    /// Compares the states in which something is taken. `None`: in all.
    fn compare_taken(
        &mut self,
        before: Option<BTreeSet<String>>,
        after: Option<BTreeSet<String>>,
        subject: &str,
    ) {
        let (had, has) = (self.all_states(before), self.all_states(after));
        for state in had.difference(&has) {
            self.once(Rule::StateClosed, format!("{subject} in the state `{state}`"));
        }
        for state in has.difference(&had) {
            self.once(Rule::StateOpened, format!("{subject} in the state `{state}`"));
        }
    }

    /// Returns the states, or all that clients know.
    fn all_states(&self, states: Option<BTreeSet<String>>) -> BTreeSet<String> {
        states.unwrap_or_else(|| self.old.states.iter().map(|state| state.name.clone()).collect())
    }

    /// Adds a change, unless a method of the same name has added it.
    fn once(&mut self, rule: Rule, subject: String) {
        if self.changes.iter().all(|change| (change.rule, &change.subject) != (rule, &subject)) {
            self.add(rule, subject);
        }
    }
}

/// Returns whether clients of a contract cause an event already.
fn knows(handler: &HandlerContract, event: &str, name: &str) -> bool {
    match event {
        "on_call" => handler.client.calls.iter().any(|call| call.name == name),
        "on_message" | "on_text" | "on_binary" => {
            handler.client.messages.iter().any(|message| message.name == name)
        }
        // The server causes the others, and clients can do nothing about them.
        _ => true,
    }
}

fn transition_text(transition: &TransitionContract) -> String {
    let TransitionContract { from, to, name, .. } = transition;
    format!("the transition from `{from}` to `{to}` by `{name}`")
}

/// Returns those of a list whose names the other list has not.
fn added<'a, T>(old: &'a [T], new: &'a [T], name: fn(&T) -> &String) -> impl Iterator<Item = &'a T> {
    new.iter().filter(move |item| old.iter().all(|other| name(other) != name(item)))
}

/// Returns those of the same name that are taken in one of the same states; `None` if no name is the same.
fn counterparts<'a, T>(
    item: &T,
    list: &'a [T],
    key: fn(&T) -> (&String, &Vec<String>),
) -> Option<Vec<&'a T>> {
    let (name, states) = key(item);
    let of_name: Vec<_> = list.iter().filter(|other| key(other).0 == name).collect();
    if of_name.is_empty() {
        return None;
    }
    let overlaps = |other: &&&T| {
        let others = key(other).1;
        states.is_empty() || others.is_empty() || others.iter().any(|state| states.contains(state))
    };
    Some(of_name.iter().filter(overlaps).copied().collect())
}

/// Returns all states in which something of a name is taken. `None`: in all.
fn union<T>(list: &[T], name: &str, key: fn(&T) -> (&String, &Vec<String>)) -> Option<BTreeSet<String>> {
    let mut states = BTreeSet::new();
    for item in list.iter().filter(|item| key(item).0 == name) {
        if key(item).1.is_empty() {
            return None;
        }
        states.extend(key(item).1.iter().cloned());
    }
    Some(states)
}

/// Returns messages without the names of methods, which clients do not see: those without an envelope have the name of
/// their kind.
fn unnamed(messages: &[MessageContract]) -> Vec<MessageContract> {
    let unnamed = messages.iter().cloned().map(|message| match message.frame {
        FrameContract::Text => MessageContract { name: "text".into(), ..message },
        FrameContract::Binary => MessageContract { name: "binary".into(), ..message },
        FrameContract::Envelope => message,
    });
    unnamed.collect()
}
