//! Echo of compressed JSON, without and with context takeover.

use std::io::{self, Write};
use std::rc::Rc;

use flate2::Compression;
use flate2::write::{DeflateDecoder, DeflateEncoder};

use super::{Column, Session, Workload, column, echo, json, json_from};
use crate::load::{Load, Offer, RSV1, TEXT, frame};
use crate::servers::Mode;

const COLUMNS: &[Column] = &[
    column("CPU µs", 2),
    column("user", 2),
    column("system", 2),
    column("messages/s", 0),
    column("p50 µs", 0),
    column("p99 µs", 0),
    column("p99.9 µs", 0),
    column("server busy %", 0),
    column("load CPU µs", 2),
    column("answer, bytes", 0),
];

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        key: "deflate1k",
        title: "Echo, 1 KiB of JSON, compressed",
        about: "100 connections, one message in flight on each; permessage-deflate without context takeover on either side, \
                level 6. The size of the answers shows the compression ratio.",
        mode: Mode::Deflate,
        columns: COLUMNS,
        run: without_context,
    },
    Workload {
        key: "takeover1k",
        title: "Echo, 1 KiB of JSON, compressed with context takeover",
        about: "100 connections, one message in flight on each; both sides keep their context, level 6. The messages differ: \
                64 of them precede a repetition, more than a window holds. The size of the answers is the average.",
        mode: Mode::Takeover,
        columns: COLUMNS,
        run: with_context,
    },
];

/// The end of a flushed block, which a message omits (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Returns a compressed message without context.
pub(crate) fn compressed(payload: &[u8]) -> io::Result<Rc<[u8]>> {
    Compressor::new().frame(payload)
}

/// The compressing side of a connection.
struct Compressor(DeflateEncoder<Vec<u8>>);

impl Compressor {
    fn new() -> Self {
        Self(DeflateEncoder::new(Vec::new(), Compression::new(6)))
    }

    fn frame(&mut self, payload: &[u8]) -> io::Result<Rc<[u8]>> {
        self.0.write_all(payload)?;
        self.0.flush()?;
        let data = std::mem::take(self.0.get_mut());
        Ok(frame(RSV1 | TEXT, &data[..data.len() - TAIL.len()]).into())
    }
}

/// The inflating side of a connection.
struct Inflater(DeflateDecoder<Vec<u8>>);

impl Inflater {
    fn new() -> Self {
        Self(DeflateDecoder::new(Vec::new()))
    }

    fn inflate(&mut self, data: &[u8]) -> io::Result<Vec<u8>> {
        self.0.write_all(&[data, &TAIL].concat())?;
        self.0.flush()?;
        Ok(std::mem::take(self.0.get_mut()))
    }
}

fn without_context(session: &Session<'_>) -> io::Result<Vec<f64>> {
    let json = json(1024);
    let bytes = compressed(json.as_bytes())?;
    let mut load = Load::connect(session.process.port, 100, Offer::Deflate)?;
    let echo = load.request(0, &bytes, 1)?;
    echo::compare(&Inflater::new().inflate(&echo)?, json.as_bytes())?;
    let pid = session.process.pid();
    let run = echo::run(&mut load, pid, &bytes, 1, session.warm_up(), session.duration())?;
    let mut figures = run.figures();
    figures.push(echo.len() as f64);
    Ok(figures)
}

/// The messages of a connection that keeps its context, compressed once for all connections.
struct Sequence {
    texts: Vec<String>,
    /// The frames of the first cycle, and those of every later one.
    first: Vec<Rc<[u8]>>,
    later: Vec<Rc<[u8]>>,
}

impl Sequence {
    /// The number of messages in a cycle. Together they are larger than the window of 32 KiB. In every cycle but
    /// the first, a message therefore has the same bytes before it, and the frames of the second cycle fit.
    const LEN: usize = 64;

    fn new() -> io::Result<Self> {
        let texts: Vec<String> =
            (0..Self::LEN).map(|number| json_from(number as u32 * 1_000, 1024)).collect();
        let mut compressor = Compressor::new();
        let mut cycle = || texts.iter().map(|text| compressor.frame(text.as_bytes())).collect();
        let (first, later): (io::Result<Vec<_>>, io::Result<Vec<_>>) = (cycle(), cycle());
        Ok(Self { first: first?, later: later?, texts })
    }

    /// Returns the frame that a connection sends after `sent` others.
    fn frame(&self, sent: usize) -> &Rc<[u8]> {
        let cycle = if sent < Self::LEN { &self.first } else { &self.later };
        &cycle[sent % Self::LEN]
    }
}

fn with_context(session: &Session<'_>) -> io::Result<Vec<f64>> {
    let sequence = Sequence::new()?;
    let mut load = Load::connect(session.process.port, 100, Offer::Takeover)?;
    let (mut inflater, mut lengths) = (Inflater::new(), Vec::new());
    // The third cycle shows that the frames of the second one can be repeated.
    for sent in 0..3 * Sequence::LEN {
        let echo = load.request(0, sequence.frame(sent), 1)?;
        echo::compare(&inflater.inflate(&echo)?, sequence.texts[sent % Sequence::LEN].as_bytes())?;
        lengths.push(echo.len());
    }
    let cycle = &lengths[2 * Sequence::LEN..];
    let (pid, next) = (session.process.pid(), |sent| sequence.frame(sent));
    let run = echo::run_each(&mut load, pid, next, 1, session.warm_up(), session.duration())?;
    let mut figures = run.figures();
    figures.push(cycle.iter().sum::<usize>() as f64 / cycle.len() as f64);
    Ok(figures)
}
