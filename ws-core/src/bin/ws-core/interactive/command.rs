//! The commands of the prompt.

/// A command, for `help`, for Tab, and for suggestions.
pub(super) struct CommandHelp {
    pub(super) name: &'static str,
    usage: &'static str,
    about: &'static str,
}

const fn command(name: &'static str, usage: &'static str, about: &'static str) -> CommandHelp {
    CommandHelp { name, usage, about }
}

/// The commands, in the order of `help`.
pub(super) const COMMANDS: [CommandHelp; 11] = [
    command("help", "help", "shows this list"),
    command("calls", "calls", "shows the calls, messages and states of the contract"),
    command("describe", "describe NAME", "shows all about a call, a message or a type"),
    command("call", "call NAME [JSON | NAME=VALUE…]", "calls a method; `call` may be left out"),
    command("send", "send NAME [JSON | NAME=VALUE…]", "sends a message; `send` may be left out"),
    command("answer", "answer ID JSON", "answers a call of the server"),
    command("refuse", "refuse ID [TEXT]", "answers a call of the server with an error"),
    command(
        "wait",
        "wait [N]",
        "waits for N messages since the last call or message, 1 by default, up to --timeout",
    ),
    command("connect", "connect", "connects again, after the client has given up"),
    command("quit", "quit", "closes the connection and ends; Ctrl-D as well"),
    command("exit", "exit", "like quit"),
];

/// Returns the text of `help`.
pub(super) fn help() -> String {
    let lines: Vec<_> =
        COMMANDS.iter().map(|command| format!("  {:32}{}", command.usage, command.about)).collect();
    lines.join("\n")
}

/// A line of a person.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    Nothing,
    Help,
    Calls,
    Describe(&'a str),
    /// A command with a name, and the text of the parameters.
    Call(&'a str, &'a str),
    Send(&'a str, &'a str),
    /// A name of a call or a message, without a command.
    Named(&'a str, &'a str),
    Answer(u64, &'a str),
    Refuse(u64, &'a str),
    Wait(u64),
    Connect,
    Quit,
    /// A line that lacks a part, with the usage.
    Incomplete(&'static str),
}

impl<'a> Line<'a> {
    /// Parses a line.
    pub(super) fn parse(line: &'a str) -> Self {
        let line = line.trim();
        let (first, rest) = word(line);
        let (second, after) = word(rest);
        let usage = || {
            let known = COMMANDS.iter().find(|command| command.name == first);
            Self::Incomplete(known.map_or("help", |command| command.usage))
        };
        match first {
            "" => Self::Nothing,
            "help" | "?" => Self::Help,
            "calls" => Self::Calls,
            "connect" => Self::Connect,
            "quit" | "exit" => Self::Quit,
            "describe" if !second.is_empty() => Self::Describe(second),
            "call" if !second.is_empty() => Self::Call(second, after),
            "send" if !second.is_empty() => Self::Send(second, after),
            "answer" | "refuse" => match second.trim_start_matches('#').parse() {
                Ok(id) if first == "answer" && !after.is_empty() => Self::Answer(id, after),
                Ok(id) if first == "refuse" => Self::Refuse(id, after),
                _ => usage(),
            },
            "wait" if second.is_empty() => Self::Wait(1),
            "wait" => second.parse().map_or_else(|_| usage(), Self::Wait),
            "describe" | "call" | "send" => usage(),
            name => Self::Named(name, rest),
        }
    }
}

/// Splits the first word off.
fn word(line: &str) -> (&str, &str) {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (word, rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_parsed() {
        assert_eq!(Line::parse("  "), Line::Nothing);
        assert_eq!(Line::parse("describe Price"), Line::Describe("Price"));
        assert_eq!(Line::parse("call add [1, 2]"), Line::Call("add", "[1, 2]"));
        assert_eq!(Line::parse("add a=1 b=2"), Line::Named("add", "a=1 b=2"));
        assert_eq!(Line::parse("answer #1 {\"a\": 1}"), Line::Answer(1, "{\"a\": 1}"));
        assert_eq!(Line::parse("answer 1"), Line::Incomplete("answer ID JSON"));
        assert_eq!(Line::parse("refuse 2 not now"), Line::Refuse(2, "not now"));
        assert_eq!(Line::parse("wait"), Line::Wait(1));
        assert_eq!(Line::parse("wait x"), Line::Incomplete("wait [N]"));
        assert_eq!(Line::parse("call"), Line::Incomplete("call NAME [JSON | NAME=VALUE…]"));
        assert_eq!(Line::parse("exit"), Line::Quit);
    }
}
