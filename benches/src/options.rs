//! Parsing of the command line.

use std::io;

use crate::servers::{SERVERS, Server};

#[derive(Debug)]
pub(crate) struct Options {
    peers: Vec<String>,
    workloads: Vec<String>,
    pub(crate) rounds: usize,
    pub(crate) quick: bool,
    /// Clients of the command `drain`.
    pub(crate) clients: Option<u64>,
    /// Only servers of this project.
    pub(crate) own: bool,
    pub(crate) check: bool,
    pub(crate) bless: bool,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> io::Result<Self> {
        let mut options = Self {
            peers: Vec::new(),
            workloads: Vec::new(),
            rounds: 5,
            quick: false,
            clients: None,
            own: false,
            check: false,
            bless: false,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let missing = || io::Error::other(format!("{argument} needs a value"));
                arguments.next().ok_or_else(missing)
            };
            match argument.as_str() {
                "--peers" => options.peers = value()?.split(',').map(str::to_owned).collect(),
                "--workloads" => options.workloads = value()?.split(',').map(str::to_owned).collect(),
                "--rounds" => options.rounds = value()?.parse().map_err(io::Error::other)?,
                "--clients" => options.clients = Some(value()?.parse().map_err(io::Error::other)?),
                "--quick" => options.quick = true,
                "--own" => options.own = true,
                "--check" => options.check = true,
                "--bless" => options.bless = true,
                _ => return Err(io::Error::other(format!("unknown option {argument}; see `--help`"))),
            }
        }
        options.rounds = options.rounds.max(1);
        Ok(options)
    }

    /// Returns whether the run is complete enough for `RESULTS.md`.
    pub(crate) fn is_complete(&self) -> bool {
        self.peers.is_empty()
            && self.workloads.is_empty()
            && !self.quick
            && !self.own
            && cfg!(feature = "peers")
    }

    pub(crate) fn servers(&self) -> impl Iterator<Item = &'static Server> {
        let named = |server: &Server| {
            let own = server.is_own() && self.peers.iter().any(|peer| peer == "own");
            self.peers.is_empty() || own || self.peers.contains(&server.key())
        };
        let wanted = move |server: &&Server| named(server) && (server.is_own() || !self.own);
        SERVERS.iter().filter(wanted).filter(|server| server.is_here())
    }

    pub(crate) fn wants(&self, workload: &str) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|named| named == workload)
    }
}
