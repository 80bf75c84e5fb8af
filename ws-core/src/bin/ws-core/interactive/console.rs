//! Where lines come from and go to: a prompt in a terminal, or a pipe.

use std::fmt;
use std::io::{BufRead, IsTerminal, Read, stdin, stdout};
use std::thread;

use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{CompletionType, Config, Editor, ExternalPrinter};
use tokio::sync::mpsc;
use tokio::sync::mpsc::{Receiver, Sender};

use super::command::Line;
use super::completion::Words;
use crate::failure::Failure;
use crate::output::{print_line, warn};

/// The longest line of a pipe in bytes.
const MAX_LINE: u64 = 1 << 20;

/// A terminal or a pipe.
pub(super) struct Console {
    lines: Receiver<String>,
    /// The way to print above the prompt; `None` for a pipe.
    printer: Option<Box<dyn ExternalPrinter + Send>>,
}

impl Console {
    /// Begins to read.
    pub(super) fn start(words: Words, prompt: String) -> Result<Self, Failure> {
        let (sender, lines) = mpsc::channel(1);
        if !(stdin().is_terminal() && stdout().is_terminal()) {
            thread::spawn(move || read_pipe(&sender));
            return Ok(Self { lines, printer: None });
        }
        let unusable = |error: ReadlineError| Failure::usage(format!("the terminal cannot be used: {error}"));
        let config = Config::builder().completion_type(CompletionType::List).build();
        let mut editor = Editor::with_history(config, MemHistory::new()).map_err(unusable)?;
        editor.set_helper(Some(words));
        let printer = editor.create_external_printer().map_err(unusable)?;
        thread::spawn(move || read_terminal(editor, &prompt, &sender));
        Ok(Self { lines, printer: Some(Box::new(printer)) })
    }

    /// Returns whether a person types.
    pub(super) fn is_terminal(&self) -> bool {
        self.printer.is_some()
    }

    /// Waits for the next line; `None` at the end.
    pub(super) async fn line(&mut self) -> Option<String> {
        self.lines.recv().await
    }

    /// Prints a line of output.
    pub(super) fn print(&mut self, line: &str) -> Result<(), Failure> {
        match &mut self.printer {
            Some(printer) => printer
                .print(format!("{line}\n"))
                .map_err(|error| Failure::usage(format!("the terminal cannot be used: {error}"))),
            None => print_line(line),
        }
    }

    /// Prints what is not output: to stderr, or above the prompt.
    pub(super) fn notify(&mut self, text: &str) -> Result<(), Failure> {
        if self.is_terminal() {
            return self.print(text);
        }
        eprintln!("{text}");
        Ok(())
    }
}

fn read_terminal(mut editor: Editor<Words, MemHistory>, prompt: &str, lines: &Sender<String>) {
    loop {
        match editor.readline(prompt) {
            Ok(line) => {
                _ = editor.add_history_entry(&line);
                // The terminal stays as it was after the last line.
                let is_last = Line::parse(&line) == Line::Quit;
                if lines.blocking_send(line).is_err() || is_last {
                    return;
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(_) => return,
        }
    }
}

fn read_pipe(lines: &Sender<String>) {
    let mut stdin = stdin().lock();
    loop {
        let mut line = String::new();
        match stdin.by_ref().take(MAX_LINE).read_line(&mut line) {
            Ok(0) => return,
            Ok(length) if length as u64 == MAX_LINE && !line.ends_with('\n') => {
                warn("the line has more than 1 MiB; the rest of the input is not read");
                return;
            }
            Ok(_) => {}
            Err(error) => {
                warn(&format!("stdin cannot be read further: {error}"));
                return;
            }
        }
        if lines.blocking_send(line).is_err() {
            return;
        }
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("is_terminal", &self.is_terminal()).finish_non_exhaustive()
    }
}
