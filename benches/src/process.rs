//! A server in its own process, on its own core.

use std::env;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use rustix::thread::CpuSet;

use crate::servers::{MODES, Mode, PRODUCERS, SERVERS, Server};

/// Core of the server; the load runs on the next one.
const SERVER_CORE: usize = 0;
const LOAD_CORE: usize = 1;

/// Environment variable that makes the server's process pin itself to its core.
const PINNED: &str = "BENCHES_PINNED";

/// Tool that runs the server.
#[derive(Clone, Copy)]
pub(crate) enum Under<'a> {
    Nothing,
    /// valgrind, which writes instruction counts to this file.
    Callgrind(&'a Path),
    /// strace, which writes system call counts to this file.
    Strace(&'a Path),
}

pub(crate) struct Process {
    child: Child,
    pub(crate) port: u16,
}

impl Process {
    /// Starts a server and waits until it listens.
    pub(crate) fn start(server: &Server, mode: Mode, under: Under<'_>) -> io::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let program = env::current_exe()?;
        let mut command = match under {
            Under::Nothing => Command::new(&program),
            Under::Callgrind(file) => {
                let mut command = Command::new("valgrind");
                let mut out = std::ffi::OsString::from("--callgrind-out-file=");
                out.push(file);
                // uWebSockets is started by `exec`.
                command.args(["--tool=callgrind", "--trace-children=yes"]).arg(out).arg(&program);
                command
            }
            // strace blocks signals while it traces; with `-I2` it does not.
            Under::Strace(file) => {
                let mut command = Command::new("strace");
                command.args(["-I2", "-f", "-c", "-U", "name,calls", "-o"]).arg(file).arg(&program);
                command
            }
        };
        command.args(["server", &server.key(), mode.name(), &port.to_string()]);
        if matches!(under, Under::Nothing) {
            command.env(PINNED, "");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Self { child: command.spawn()?, port };
        process.wait_until_it_listens()?;
        Ok(process)
    }

    fn wait_until_it_listens(&mut self) -> io::Result<()> {
        for _ in 0..3000 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("the server ended: {status}")));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(io::Error::other("the server did not start to listen"))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Terminates the process by SIGTERM, on which valgrind and strace write their counts. A second thread that
    /// waits on a pipe would make each libc call in the server more expensive.
    pub(crate) fn stop(mut self) -> io::Result<()> {
        rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        self.child.wait().map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the command `server NAME MODE PORT`.
pub(crate) fn serve(arguments: &[String]) -> io::Result<()> {
    let [name, mode, port] = arguments else {
        return Err(io::Error::other("server NAME MODE PORT"));
    };
    let server = SERVERS.iter().chain(PRODUCERS).find(|server| server.key() == *name);
    let mode = MODES.iter().find(|(_, name)| name == mode);
    let (Some(server), Some((mode, _))) = (server, mode) else {
        return Err(io::Error::other("no such server or mode"));
    };
    if env::var_os(PINNED).is_some() {
        pin(SERVER_CORE);
    }
    // The server ends with the process that started it.
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    server.run(*mode, &format!("127.0.0.1:{port}"))
}

/// Pins the load to its core.
pub(crate) fn pin_load() {
    pin(LOAD_CORE);
}

/// Pins the process to a core, or reports why it cannot.
fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    if let Err(error) = rustix::thread::sched_setaffinity(None, &set) {
        eprintln!("not pinned to core {core}: {error}");
    }
}
