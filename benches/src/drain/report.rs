//! The results of the clients, which their processes print.

use std::io;

/// A session that began after the drain.
pub(super) struct Reconnect {
    /// The beginning of the handshake that succeeded, in milliseconds of the Unix epoch.
    pub(super) began: u64,
    /// Milliseconds until the greeting.
    pub(super) took: u64,
}

/// The result of a process with clients.
#[derive(Default)]
pub(super) struct Report {
    pub(super) reconnects: Vec<Reconnect>,
    /// Connections and handshakes that failed.
    pub(super) refused: u64,
    pub(super) sent: u64,
    /// Messages without an echo.
    pub(super) lost: u64,
    /// Sessions that lost a connection otherwise than by a drain.
    pub(super) cut: u64,
}

impl Report {
    /// Writes the report as lines for the parent.
    pub(super) fn print(&self) {
        println!("{} {} {} {}", self.refused, self.sent, self.lost, self.cut);
        for Reconnect { began, took } in &self.reconnects {
            println!("{began} {took}");
        }
    }

    /// Adds the lines of a process.
    pub(super) fn add(&mut self, text: &str) -> io::Result<()> {
        let number = |field: &str| field.parse::<u64>().map_err(io::Error::other);
        for (at, line) in text.lines().enumerate() {
            let fields = line.split(' ').map(number).collect::<io::Result<Vec<_>>>()?;
            match fields[..] {
                [refused, sent, lost, cut] if at == 0 => {
                    self.refused += refused;
                    self.sent += sent;
                    self.lost += lost;
                    self.cut += cut;
                }
                [began, took] => self.reconnects.push(Reconnect { began, took }),
                _ => return Err(io::Error::other(format!("malformed report: {line}"))),
            }
        }
        Ok(())
    }
}
