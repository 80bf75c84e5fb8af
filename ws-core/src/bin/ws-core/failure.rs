//! The errors of the program, with their exit codes.

use std::fmt;

use ws_core::client::ConnectError;

use crate::text::plain;

/// An error, of which the program ends.
#[derive(Debug)]
pub(crate) struct Failure {
    exit_code: u8,
    message: String,
    help: Option<String>,
}

impl Failure {
    /// Creates the error for an answer of the server that is an error. The text has its own form.
    pub(crate) fn refused(message: String) -> Self {
        Self { exit_code: 1, message, help: None }
    }

    /// Creates the error for wrong arguments, and for files that cannot be read or written.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit_code: 2, message: message.into(), help: None }
    }

    /// Creates the error for a connection that failed, or that ended before the answer.
    pub(crate) fn connection(message: impl Into<String>) -> Self {
        Self { exit_code: 3, message: message.into(), help: None }
    }

    /// Creates the error for lines of a pipe that failed, each of which has been reported.
    pub(crate) fn lines(count: u64, exit_code: u8) -> Self {
        let plural = if count == 1 { "" } else { "s" };
        Self { exit_code, message: format!("{count} line{plural} failed"), help: None }
    }

    /// Creates the error for a server that is not reached.
    pub(crate) fn connect(url: &str, error: &ConnectError) -> Self {
        let help = match error {
            ConnectError::Url(_) => "write the URL of the handler, for example `ws://127.0.0.1:8080/board`",
            ConnectError::Header(_) => return Self::usage(error.to_string()),
            ConnectError::Io(_) | ConnectError::Timeout => {
                "check the address, and that the server runs; `--timeout 30s` waits longer"
            }
            ConnectError::ProxyRefused(_) | ConnectError::Proxy(_) => {
                "the environment names a proxy: `NO_PROXY` has the hosts without one"
            }
            ConnectError::Tls(_) => {
                "`--ca FILE` trusts a certificate of your own; `ws://` connects without TLS"
            }
            ConnectError::Rejected { status, .. } => match status.as_u16() {
                401 | 403 => "send what the server expects: `--header 'authorization: Bearer …'`",
                404 => "check the path of the URL: `ws-core contract URL` shows the handlers of a server",
                300..=399 => "use the address to which the server points",
                _ => "the server does not open a WebSocket at this URL",
            },
            ConnectError::Handshake(_) => "offer what the server speaks: `--subprotocol NAME`",
            _ => "the server may not speak HTTP at this port",
        };
        let exit = if matches!(error, ConnectError::Url(_)) { Self::usage } else { Self::connection };
        let mut message = format!("{url}: {error}");
        if let ConnectError::Rejected { body, .. } = error {
            let body = String::from_utf8_lossy(body);
            let line = body.trim().lines().next().unwrap_or_default();
            // A page is not a sentence.
            if !line.is_empty() && !line.starts_with('<') {
                message = format!("{message}: {}", line.chars().take(200).collect::<String>());
            }
        }
        exit(message).help(help)
    }

    /// Adds what to do next.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Returns the code with which the program exits.
    pub(crate) fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Parts of the text are those of a server.
        write!(f, "error: {}", plain(&self.message))?;
        match &self.help {
            Some(help) => write!(f, "\nhelp: {}", plain(help)),
            None => Ok(()),
        }
    }
}
