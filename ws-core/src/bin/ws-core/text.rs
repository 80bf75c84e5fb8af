//! Text for terminals and pipes.

use std::fmt::Write as _;
use std::io::{IsTerminal, stdout};

/// Returns a text without characters that control a terminal. The text may be that of an untrusted server.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for char in text.chars() {
        if char == '\n' || !is_control(char) { plain.push(char) } else { escape(char, &mut plain) }
    }
    plain
}

/// Returns JSON as one line: without spaces outside of strings, and with escapes for characters that control a
/// terminal. All digits of numbers stay.
pub(crate) fn one_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    let (mut is_string, mut is_escaped) = (false, false);
    for char in json.chars() {
        if is_control(char) && is_string {
            escape(char, &mut line);
        } else if is_string || !char.is_ascii_whitespace() {
            line.push(char);
        }
        if char == '"' && !is_escaped {
            is_string = !is_string;
        }
        is_escaped = is_string && char == '\\' && !is_escaped;
    }
    line
}

/// Returns whether a character changes how a terminal shows others: the control characters, and those that change the
/// direction of writing.
fn is_control(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

fn escape(char: char, to: &mut String) {
    _ = write!(to, "\\u{:04x}", u32::from(char));
}

/// The colours of the output, if there are any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    is_colored: bool,
}

impl Style {
    /// Returns the style for stdout: colours on a terminal, unless the environment has `NO_COLOR` (no-color.org).
    pub(crate) fn of_stdout() -> Self {
        let is_off = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { is_colored: stdout().is_terminal() && !is_off && !is_dumb }
    }

    /// Returns the style without colours.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { is_colored: false }
    }

    /// Returns a name in bold.
    pub(crate) fn name(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Returns a heading in cyan.
    pub(crate) fn heading(self, text: &str) -> String {
        self.paint("36", text)
    }

    /// Returns a problem in red.
    pub(crate) fn problem(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// Returns a detail in grey.
    pub(crate) fn detail(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        let text = plain(text);
        if self.is_colored { format!("\x1b[{code}m{text}\x1b[0m") } else { text }
    }
}

/// Returns the name that is most like another one, if any is.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let max = (name.chars().count() / 3).max(1);
    let near = known.into_iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
    near.filter(|(distance, _)| *distance <= max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_becomes_one_line() {
        assert_eq!(one_line("{ \"a b\":\n [1.50, \"x \\\" y\\\\\" ] }"), "{\"a b\":[1.50,\"x \\\" y\\\\\"]}");
        assert_eq!(one_line("\"\u{9b}31m \u{202e}\""), "\"\\u009b31m \\u202e\"");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(plain("a\x1b[31mb\nc\u{7f}"), "a\\u001b[31mb\nc\\u007f");
    }

    #[test]
    fn the_nearest_name_is_found() {
        let known = ["subscribe", "unsubscribe", "add"];
        assert_eq!(nearest("subscirbe", known), Some("subscribe"));
        assert_eq!(nearest("ad", known), Some("add"));
        assert_eq!(nearest("order", known), None);
    }
}
