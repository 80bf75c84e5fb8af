//! The part of a handler's contract that its declaration has: path, limits, close codes.

use std::any::type_name;
use std::time::Duration;

use super::Router;
use crate::contract_model::{
    CloseContract, Description, HandlerContract, LimitsContract, ParameterContract, SessionContract,
};
use crate::handler::Handler;
use crate::options::{Options, Unhandled};

impl Router {
    /// Describes the mounted handlers, in the order of their paths.
    pub(crate) fn describe(&self) -> Vec<HandlerContract> {
        let mut handlers: Vec<_> = self.endpoints.iter().filter_map(|endpoint| endpoint.describe()).collect();
        handlers.sort_by(|a, b| a.path.cmp(&b.path));
        handlers
    }
}

/// Describes a handler at a path.
pub(super) fn describe<H: Handler>(path: &str) -> HandlerContract {
    let options = H::CHECKED_DECLARATION.options;
    let contract = HandlerContract {
        name: short_name(type_name::<H>()).to_owned(),
        path: path.to_owned(),
        path_parameters: path_parameters(path),
        subprotocols: options.subprotocols.iter().map(ToString::to_string).collect(),
        limits: limits(&options),
        session: options
            .session
            .map(|session| SessionContract { resume: millis(session.resume), buffer: session.buffer as u64 }),
        close_codes: close_codes(&options),
        ..HandlerContract::default()
    };
    let mut description = Description::new(contract);
    H::describe(&mut description);
    description.finish()
}

/// Returns the name of a type without its modules and parameters.
fn short_name(name: &str) -> &str {
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

/// Returns the parameters of a path as strings. A parameter with a name like `{_name}` is not passed to the handler.
fn path_parameters(path: &str) -> Vec<ParameterContract> {
    let path = path.replace("{{", "").replace("}}", "");
    let names = path.split('{').skip(1).filter_map(|tail| tail.split_once('}')).map(|(name, _)| name);
    names
        .map(|name| ParameterContract {
            name: name.trim_start_matches('*').to_owned(),
            description: None,
            is_optional: false,
            schema: serde_json::json!({ "type": "string" }),
        })
        .filter(|parameter| !parameter.name.is_empty() && !parameter.name.starts_with('_'))
        .collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn limits(options: &Options) -> LimitsContract {
    LimitsContract {
        max_message_size: (options.max_message_size < usize::MAX).then_some(options.max_message_size as u64),
        max_frame_size: options.max_frame_size.map(|size| size as u64),
        max_message_rate: options.max_message_rate,
        max_deferred: options.max_deferred as u64,
        idle_timeout: options.idle_timeout.map(millis),
        ping_interval: options.ping_interval.map(millis),
        max_lifetime: options.max_lifetime.map(millis),
        compress: options.compress.is_some(),
    }
}

/// Returns the codes with which the server closes by itself. 1002, for an error in the protocol, is left out: a correct
/// client gets none.
fn close_codes(options: &Options) -> Vec<CloseContract> {
    let codes = &options.close_codes;
    let has_size = options.max_message_size < usize::MAX || options.max_frame_size.is_some();
    let has_rate = options.max_message_rate.is_some() || options.max_control_rate.is_some();
    let causes = [
        (options.idle_timeout.is_some(), codes.timeout, "no byte from the client within `idle_timeout`"),
        (options.ping_interval.is_some(), codes.pong, "no pong within `pong_timeout`"),
        (options.max_lifetime.is_some(), codes.expired, "`max_lifetime` is over"),
        (true, codes.shutdown, "the server shuts down"),
        (true, codes.overflow, "the client reads too slowly"),
        (has_rate, codes.rate, "too many messages or frames"),
        (has_size, codes.size, "a message or frame is too big"),
        (
            options.unhandled == Unhandled::Close,
            codes.unsupported,
            "a kind of message that the handler does not take",
        ),
        (true, codes.decode, "a payload that does not decode"),
        (true, codes.error, "a method failed"),
        (true, codes.panic, "a method panicked"),
    ];
    let mut found: Vec<CloseContract> = Vec::new();
    for (_, (code, _), cause) in causes.into_iter().filter(|(happens, _, _)| *happens) {
        match found.iter_mut().find(|known| known.code == code) {
            Some(known) => known.reason = format!("{}; {cause}", known.reason),
            None => found.push(CloseContract { code, reason: cause.to_owned(), is_declared: false }),
        }
    }
    found.sort_by_key(|close| close.code);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_without_modules_and_parameters() {
        assert_eq!(short_name("chat::rooms::Room<alloc::string::String>"), "Room");
        assert_eq!(short_name("Room"), "Room");
    }

    #[test]
    fn parameters_of_a_path_have_their_names() {
        let names = |path| path_parameters(path).into_iter().map(|p| p.name).collect::<Vec<_>>();
        assert_eq!(names("/a/{room}/x-{seat}/{*rest}"), ["room", "seat", "rest"]);
        assert_eq!(names("/{_any}/{{literal}}"), Vec::<String>::new());
    }
}
