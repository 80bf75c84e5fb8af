//! Resource usage of a process, from `/proc`.

use std::fs;
use std::io;

/// CPU time of all threads since the start of the process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    /// Nanoseconds on a core.
    pub(crate) ran: f64,
    /// Nanoseconds in the run queue, while another process ran.
    pub(crate) waited: f64,
    /// Time on a core in ticks of 10 ms, split into user and system time.
    user: f64,
    system: f64,
}

impl Cpu {
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let mut cpu = Self::default();
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let line = fs::read_to_string(task?.path().join("schedstat"))?;
            let mut fields = line.split_whitespace().map(|field| field.parse().unwrap_or(0.0));
            cpu.ran += fields.next().unwrap_or(0.0);
            cpu.waited += fields.next().unwrap_or(0.0);
        }
        let line = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in parentheses may contain any character; field 3 follows it.
        let fields = line.rsplit_once(')').map_or("", |(_, fields)| fields);
        let mut fields = fields.split_whitespace().skip(11).map(|field| field.parse().unwrap_or(0.0));
        cpu.user = fields.next().unwrap_or(0.0);
        cpu.system = fields.next().unwrap_or(0.0);
        Ok(cpu)
    }

    /// Returns the usage since `then`.
    pub(crate) fn since(self, then: Self) -> Self {
        Self {
            ran: self.ran - then.ran,
            waited: self.waited - then.waited,
            user: self.user - then.user,
            system: self.system - then.system,
        }
    }

    /// Returns the user-space part of `ran`. The scheduler counts nanoseconds; the ticks give the ratio.
    pub(crate) fn user(self) -> f64 {
        self.ran * self.user / (self.user + self.system).max(1.0)
    }

    pub(crate) fn system(self) -> f64 {
        self.ran - self.user()
    }

    /// Returns the percentage of `seconds` in which the process was runnable.
    pub(crate) fn busy(self, seconds: f64) -> f64 {
        (self.ran + self.waited) / seconds / 1e7
    }
}

/// Returns the resident memory in bytes, from the exact count in `smaps_rollup`.
pub(crate) fn rss(pid: u32) -> io::Result<f64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap_or("");
    let kib = line.split_whitespace().next().and_then(|field| field.parse::<f64>().ok());
    kib.map(|kib| kib * 1024.0).ok_or_else(|| io::Error::other("no Rss in smaps_rollup"))
}
