//! `drain`: the clients of a node that stops move to another one, behind nginx. Compares spreads of `Router::drain`.

mod client;
mod connection;
mod nginx;
mod report;
mod server;

use std::env;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::options::Options;
use crate::results;
use crate::usage::Cpu;
use nginx::Nginx;
use report::{Reconnect, Report};

/// Most clients of one process, well within 20,000 file descriptors.
const CLIENTS_PER_PROCESS: u64 = 5_000;
/// Time in which the clients exchange messages before the drain.
const BEFORE: Duration = Duration::from_secs(5);
/// Time between two looks at the CPU time.
const SAMPLE: Duration = Duration::from_millis(100);

/// Runs the command `drain-server PORT MILLISECONDS`: a node.
pub(crate) fn run_server(arguments: &[String]) -> io::Result<()> {
    die_with_parent()?;
    let [port, spread] = numbers(arguments)?;
    server::run(port as u16, Duration::from_millis(spread)).map_err(io::Error::other)
}

/// Runs the command `drain-clients PORT COUNT`.
pub(crate) fn run_clients(arguments: &[String]) -> io::Result<()> {
    die_with_parent()?;
    let [port, count] = numbers(arguments)?;
    client::run(port as u16, count)
}

fn numbers(arguments: &[String]) -> io::Result<[u64; 2]> {
    let numbers: Vec<u64> = arguments.iter().filter_map(|number| number.parse().ok()).collect();
    numbers.try_into().map_err(|_| io::Error::other("two numbers"))
}

fn die_with_parent() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM)).map_err(Into::into)
}

pub(crate) fn run(options: &Options) -> io::Result<()> {
    let (clients, spreads): (_, &[u64]) = if options.quick { (500, &[2]) } else { (10_000, &[0, 5, 10]) };
    let clients = options.clients.unwrap_or(clients);
    let head = [
        "spread",
        "reconnects took",
        "busiest second",
        "handshake, median",
        "… 99 %",
        "refused",
        "lost messages",
        "handled twice",
        "CPU of the old node",
        "new node",
        "nginx",
    ];
    println!("{clients} clients, each with a message every {} s.\n", client::PERIOD.as_secs());
    print!("{}{}", results::row(head), results::rule(head.len() - 1));
    for &seconds in spreads {
        let spread = Duration::from_secs(seconds);
        let outcome = Outcome::measure(clients, spread)?;
        print!("{}", results::row(outcome.cells(spread).iter().map(String::as_str)));
        outcome.check(clients, spread)?;
    }
    Ok(())
}

/// A process of this program, which ends after its standard input.
struct Node {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Node {
    fn start(arguments: &[&str]) -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or_else(|| io::Error::other("no pipe"))?;
        Ok(Self { child, out: BufReader::new(out) })
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn close_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Returns what the process has printed until its end.
    fn end(mut self) -> io::Result<String> {
        self.close_input();
        let mut text = String::new();
        self.out.read_to_string(&mut text)?;
        self.child.wait()?;
        Ok(text)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Outcome {
    report: Report,
    handled: u64,
    /// CPU seconds of the old node, the new node and nginx, from the drain to the last reconnect.
    cpu: [f64; 3],
}

impl Outcome {
    fn measure(clients: u64, spread: Duration) -> io::Result<Self> {
        let spread = spread.as_millis().to_string();
        let [old_port, new_port, port] = free_ports()?;
        let mut old = Node::start(&["drain-server", &old_port.to_string(), &spread])?;
        let new = Node::start(&["drain-server", &new_port.to_string(), &spread])?;
        let nginx = Nginx::start(port, old_port, new_port)?;
        for port in [old_port, new_port, port] {
            wait_until_it_listens(port)?;
        }
        let mut groups = Vec::new();
        for left in (0..clients).step_by(CLIENTS_PER_PROCESS as usize) {
            let count = CLIENTS_PER_PROCESS.min(clients - left);
            groups.push(Node::start(&["drain-clients", &port.to_string(), &count.to_string()])?);
        }
        for group in &mut groups {
            group.out.read_line(&mut String::new())?;
        }
        thread::sleep(BEFORE);

        let start = usage(&old, &new, &nginx)?;
        old.close_input();
        groups.iter_mut().for_each(Node::close_input);
        let reports: Vec<_> = groups.into_iter().map(|group| thread::spawn(|| group.end())).collect();
        let mut samples = vec![(client::now(), start)];
        while !reports.iter().all(thread::JoinHandle::is_finished) {
            thread::sleep(SAMPLE);
            // The old node ends meanwhile.
            let mut usage = usage(&old, &new, &nginx)?;
            usage[0] = usage[0].max(samples[samples.len() - 1].1[0]);
            samples.push((client::now(), usage));
        }
        let mut report = Report::default();
        for text in reports {
            report.add(&text.join().expect("no panics")?)?;
        }
        report.reconnects.sort_by_key(|reconnect| reconnect.began + reconnect.took);
        let handled =
            [old.end()?, new.end()?].iter().filter_map(|text| text.trim().parse::<u64>().ok()).sum();

        let last = report.reconnects.last().map_or(0, |last| last.began + last.took);
        let end = samples
            .iter()
            .find(|(at, _)| *at >= last)
            .map_or(samples[samples.len() - 1].1, |(_, usage)| *usage);
        let cpu = [0, 1, 2].map(|of| end[of] - start[of]);
        Ok(Self { report, handled, cpu })
    }

    fn cells(&self, spread: Duration) -> Vec<String> {
        let reconnects = &self.report.reconnects;
        let mut took: Vec<u64> = reconnects.iter().map(|reconnect| reconnect.took).collect();
        took.sort_unstable();
        let percentile = |percent: usize| took.get(took.len() * percent / 100).map_or(0, |took| *took);
        let seconds = |value: f64| format!("{value:.2} s");
        let count = |value: u64| results::number(value as f64, 0);
        vec![
            format!("{} s", spread.as_secs()),
            seconds(self.time() as f64 / 1e3),
            count(peak(reconnects)),
            format!("{} ms", count(percentile(50))),
            format!("{} ms", count(percentile(99))),
            count(self.report.refused),
            format!("{} of {}", count(self.report.lost), count(self.report.sent)),
            count(self.handled.saturating_sub(self.report.sent)),
            seconds(self.cpu[0]),
            seconds(self.cpu[1]),
            seconds(self.cpu[2]),
        ]
    }

    /// Returns the milliseconds from the first reconnect to the last one.
    fn time(&self) -> u64 {
        let ends = |reconnect: &Reconnect| reconnect.began + reconnect.took;
        let reconnects = &self.report.reconnects;
        reconnects.first().zip(reconnects.last()).map_or(0, |(first, last)| ends(last) - ends(first))
    }

    /// Fails unless every client has moved to the new node, once and within the spread, and no message was lost.
    fn check(&self, clients: u64, spread: Duration) -> io::Result<()> {
        let Report { reconnects, refused, lost, cut, .. } = &self.report;
        let failure = if reconnects.len() as u64 != clients {
            format!("{} of {clients} clients connected again", reconnects.len())
        } else if *lost > 0 {
            format!("{lost} messages were lost")
        } else if !spread.is_zero() && refused + cut > 0 {
            format!("{refused} connections were refused, and {cut} were cut")
        } else if self.time() < spread.as_millis() as u64 / 2 {
            format!("the clients connected again within {} ms", self.time())
        } else {
            return Ok(());
        };
        Err(io::Error::other(failure))
    }
}

/// Returns the CPU seconds of both nodes and nginx; 0 for a process that has ended.
fn usage(old: &Node, new: &Node, nginx: &Nginx) -> io::Result<[f64; 3]> {
    let seconds = |pid: u32| Cpu::of(pid).map_or(0.0, |cpu| cpu.ran / 1e9);
    Ok([seconds(old.pid()), seconds(new.pid()), nginx.workers()?.into_iter().map(seconds).sum()])
}

/// Returns the most reconnects that ended within a second.
fn peak(reconnects: &[Reconnect]) -> u64 {
    let ends: Vec<u64> = reconnects.iter().map(|reconnect| reconnect.began + reconnect.took).collect();
    let within = |first: usize| ends[first..].partition_point(|end| *end < ends[first] + 1_000) as u64;
    (0..ends.len()).map(within).max().unwrap_or(0)
}

fn free_ports() -> io::Result<[u16; 3]> {
    let listeners = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(listeners) {
        *port = listener?.local_addr()?.port();
    }
    Ok(ports)
}

fn wait_until_it_listens(port: u16) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(error) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
        if deadline < Instant::now() {
            return Err(error);
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
