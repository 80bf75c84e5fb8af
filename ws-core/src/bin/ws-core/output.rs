//! Lines of output.

use std::io::{ErrorKind, Write as _, stderr, stdout};

use crate::failure::Failure;
use crate::text::plain;

/// Prints a line to stdout.
pub(crate) fn print_line(line: &str) -> Result<(), Failure> {
    match writeln!(stdout(), "{line}") {
        // The reader of a pipe has read what it wants, for example `head -1`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.map_err(|error| Failure::usage(format!("cannot write to stdout: {error}"))),
    }
}

/// Prints a warning to stderr.
pub(crate) fn warn(text: &str) {
    _ = writeln!(stderr(), "warning: {}", plain(text));
}
