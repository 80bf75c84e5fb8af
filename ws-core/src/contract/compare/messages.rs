//! The changes of calls, messages and states.

use std::collections::BTreeSet;

use super::{Comparison, SchemaRules};
use crate::contract::rules::Rule;
use crate::contract::schema_fit::misfit;
use crate::contract_model::{
    CallContract, ContentContract, ErrorContract, FrameContract, HandlerContract, JsonSchema,
    MessageContract, TransitionContract,
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
        let has = |list: &[TransitionContract], transition: &TransitionContract| {
            list.iter().any(|other| visible(other) == visible(transition))
        };
        for transition in new.transitions.iter().filter(|transition| !has(&old.transitions, transition)) {
            let is_known = knows(old, &transition.event, &transition.name)
                && old.states.iter().any(|state| state.name == transition.from);
            let rule = if is_known { Rule::TransitionAdded } else { Rule::TransitionNew };
            self.add(rule, transition_text(transition));
        }
        for transition in old.transitions.iter().filter(|transition| !has(&new.transitions, transition)) {
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
        // Several errors may have one code.
        let data = |errors: &[ErrorContract], code: i64| -> Vec<JsonSchema> {
            let of_code = errors.iter().filter(|error| error.code == code);
            of_code.map(|error| error.data.clone().unwrap_or(JsonSchema::Bool(true))).collect()
        };
        for (index, error) in before.iter().enumerate() {
            if before[..index].iter().any(|earlier| earlier.code == error.code) {
                continue;
            }
            let text = format!("the error {} of {subject}", error.code);
            let (had, has) = (data(before, error.code), data(after, error.code));
            if has.is_empty() {
                self.add(Rule::ErrorRemoved, text);
                continue;
            }
            let rules = SchemaRules { breaking: Rule::ErrorDataWidened, compatible: Rule::ErrorDataNarrowed };
            self.server_schema((&any_of(had), &any_of(has)), rules, text);
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
            // Without an envelope, a method may take several contents, and one of them has to do.
            let mut groups: Vec<(&[String], Vec<&ContentContract>)> = Vec::new();
            for after in found {
                // A new member of a message needs a rule here.
                // The frame is a part of the name here.
                let MessageContract { name: _, description: _, frame, content, states } = after;
                match groups.iter_mut().find(|(of, _)| *frame != FrameContract::Envelope && *of == states) {
                    Some((_, contents)) => contents.push(content),
                    None => groups.push((states, vec![content])),
                }
            }
            for (_, contents) in groups {
                self.client_contents(&before.content, &contents, &subject);
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
            let rule = if self.is_read_as_another(message) { Rule::SentUnnamed } else { Rule::SentAdded };
            self.add(rule, format!("the message `{}` of the server", message.name));
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

    /// Returns whether clients take a new message for one that they know, because it has no name.
    fn is_read_as_another(&self, new: &MessageContract) -> bool {
        let of_frame = |message: &&MessageContract| message.frame == new.frame;
        match new.frame {
            FrameContract::Envelope => false,
            FrameContract::Text if self.old.envelope.is_some() => !self.is_known_content(new),
            _ => self.old.server.messages.iter().any(|old| of_frame(&old)) && !self.is_known_content(new),
        }
    }

    /// Returns whether a message without an envelope has only contents that the server sends already.
    fn is_known_content(&self, new: &MessageContract) -> bool {
        let of_frame = self.old.server.messages.iter().filter(|old| old.frame == new.frame);
        let mut contents = of_frame.map(|old| &old.content);
        contents.any(|old| match (old, &new.content) {
            (ContentContract::Raw, _) => true,
            (ContentContract::Json { schema: old }, ContentContract::Json { schema }) => {
                misfit((schema, &self.new.schemas), (old, &self.old.schemas)).is_none()
            }
            (old, new) => old == new,
        })
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

    /// Returns the states, or all that clients know. Clients of a handler without states may be in any of the new ones.
    fn all_states(&self, states: Option<BTreeSet<String>>) -> BTreeSet<String> {
        let known = if self.old.states.is_empty() { &self.new.states } else { &self.old.states };
        states.unwrap_or_else(|| known.iter().map(|state| state.name.clone()).collect())
    }

    /// Adds a change, unless a method of the same name has added it.
    fn once(&mut self, rule: Rule, subject: String) {
        if self.changes.iter().all(|change| (change.rule, &change.subject) != (rule, &subject)) {
            self.add(rule, subject);
        }
    }
}

/// Returns the schema of a value of one of several types.
fn any_of(mut schemas: Vec<JsonSchema>) -> JsonSchema {
    if schemas.len() == 1 { schemas.remove(0) } else { serde_json::json!({ "anyOf": schemas }) }
}

/// Returns whether clients of a contract cause an event already.
fn knows(handler: &HandlerContract, event: &str, name: &str) -> bool {
    match event {
        "on_call" => handler.client.calls.iter().any(|call| call.name == name),
        "on_message" => handler.client.messages.iter().any(|message| message.name == name),
        "on_text" => handler.client.messages.iter().any(|message| message.frame == FrameContract::Text),
        "on_binary" => handler.client.messages.iter().any(|message| message.frame == FrameContract::Binary),
        // The server causes the others, and clients can do nothing about them.
        _ => true,
    }
}

/// Returns what clients see of a transition: the name of a call or message, but not that of a method.
fn visible(transition: &TransitionContract) -> (&str, &str, &str, Option<&str>) {
    let TransitionContract { from, to, event, name } = transition;
    let is_named = matches!(&**event, "on_call" | "on_message");
    (from, to, event, is_named.then_some(name))
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
