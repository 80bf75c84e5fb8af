//! The declarations of the types around the class of a client.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::super::{ErrorContract, FrameContract};
use super::client::ClientModule;
use super::types::{TsMember, TsType, after, doc};

impl ClientModule<'_> {
    /// Returns the declarations of the types around the class.
    pub(super) fn interfaces(&self) -> String {
        let mut text = String::new();
        let mut interface = |part: &str, documentation: &str, members: Vec<TsMember>| {
            if !members.is_empty() {
                text += &doc(Some(documentation), "");
                let members = TsType::Object(members, None).members("  ");
                let _ = writeln!(text, "export interface {}{part} {{\n{members}}}\n", self.class);
            }
        };
        let path = &self.handler.path;
        let parameters = self.path_parameters.iter().chain(&self.handler.query);
        interface(
            "Parameters",
            &format!("The parameters of the path {path} and of its query string."),
            unique_members(parameters.map(|parameter| self.member(parameter)).collect()),
        );
        let messages = self.handler.server.messages.iter().map(|message| TsMember {
            name: message.name.clone(),
            is_optional: false,
            description: message.description.clone(),
            member: self.received(&message.content, message.frame),
        });
        interface("Messages", "The messages of the server by name.", unique_members(messages.collect()));
        let handlers = self.handler.server.calls.iter().map(|call| {
            let content = self.received(&call.content, FrameContract::Envelope).render("  ");
            let result = self.result(&call.result);
            TsMember {
                name: call.name.clone(),
                is_optional: false,
                description: call.description.clone(),
                member: TsType::Name(format!(
                    "(params: {content}, context: HandlerContext) => {result} | Promise<{result}>"
                )),
            }
        });
        interface(
            "Handlers",
            "The handlers of the server's calls by name.",
            unique_members(handlers.collect()),
        );
        // Methods of several states may have one name, and errors of their own.
        let calls = &self.handler.client.calls;
        let errors = calls.iter().filter(|call| !call.errors.is_empty()).map(|call| {
            let of_name = calls.iter().filter(|other| other.name == call.name);
            TsMember {
                name: call.name.clone(),
                is_optional: false,
                description: None,
                member: TsType::union(
                    of_name.flat_map(|other| &other.errors).map(|error| self.error(error)).collect(),
                ),
            }
        });
        interface(
            "Errors",
            "The errors that calls declare, by the name of the call.",
            unique_members(errors.collect()),
        );
        text + &self.close_codes()
    }

    fn error(&self, error: &ErrorContract) -> (Option<String>, TsType) {
        let data = error.data.as_ref().map_or_else(|| "undefined".to_owned(), |data| self.convert(data));
        (Some(error.description.clone()), TsType::Name(format!("CallError<{}, {data}>", error.code)))
    }

    fn close_codes(&self) -> String {
        let mut reasons: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
        for close in &self.handler.close_codes {
            let reasons = reasons.entry(close.code).or_default();
            if !reasons.contains(&close.reason.as_str()) {
                reasons.push(&close.reason);
            }
        }
        let option = |(code, reasons): (u16, Vec<&str>)| {
            let reasons = reasons.join("; ");
            ((!reasons.is_empty()).then_some(reasons), TsType::Name(code.to_string()))
        };
        let union = TsType::union(reasons.into_iter().map(option).collect()).render("");
        let declaration = after(&format!("export type {}CloseCode =", self.class), &union);
        format!("/** The close codes that the server sends. */\n{declaration};\n\n")
    }
}

/// Removes members whose names occur earlier.
fn unique_members(members: Vec<TsMember>) -> Vec<TsMember> {
    let mut names = BTreeSet::new();
    members.into_iter().filter(|member| names.insert(member.name.clone())).collect()
}
