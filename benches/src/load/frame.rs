//! Frames of a client (RFC 6455 §5.2), as far as counting messages requires.

use std::io;

/// Masking key of all frames. Zero would make unmasking a no-op.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// Bit of the first byte that marks a compressed message.
pub(crate) const RSV1: u8 = 0x40;

/// Returns a message as a single masked frame. `opcode` may contain [`RSV1`].
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(KEY);
    bytes.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// Counter of the messages that a server sends. Payloads are skipped, unless the caller collects them.
#[derive(Default)]
pub(crate) struct Parser {
    head: Vec<u8>,
    /// Remaining bytes of the payload; `None` while a header is incomplete.
    left: Option<u64>,
    control: Vec<u8>,
    /// Number of pings.
    pub(crate) pings: u32,
    /// Buffer for payloads of data frames, if they are collected.
    pub(crate) collected: Option<Vec<u8>>,
}

impl Parser {
    /// Counts the data messages that end in `bytes`. Pongs are appended to `answers`.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], answers: &mut Vec<u8>) -> io::Result<u32> {
        let mut messages = 0;
        loop {
            let left = match self.left {
                Some(left) => left,
                None => match self.header(&mut bytes) {
                    Some(len) => len,
                    None => return Ok(messages),
                },
            };
            let take = (left as usize).min(bytes.len());
            let (payload, rest) = bytes.split_at(take);
            bytes = rest;
            self.collect(payload);
            if take as u64 != left {
                self.left = Some(left - take as u64);
                return Ok(messages);
            }
            messages += u32::from(self.end(answers)?);
        }
    }

    /// Returns the length of the payload once the header is complete.
    fn header(&mut self, bytes: &mut &[u8]) -> Option<u64> {
        let size = |head: &[u8]| match head.get(1).map_or(0, |byte| byte & 0x7f) {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        while self.head.len() < size(&self.head) {
            let (first, rest) = bytes.split_first()?;
            self.head.push(*first);
            *bytes = rest;
        }
        let long = self.head[2..].iter().fold(0, |len, byte| len << 8 | u64::from(*byte));
        Some(if self.head.len() == 2 { u64::from(self.head[1] & 0x7f) } else { long })
    }

    fn opcode(&self) -> u8 {
        self.head[0] & 0x0f
    }

    fn collect(&mut self, payload: &[u8]) {
        if self.opcode() >= CLOSE {
            self.control.extend(payload);
        } else if let Some(collected) = &mut self.collected {
            collected.extend(payload);
        }
    }

    /// Ends the frame; returns whether it ends a message.
    fn end(&mut self, answers: &mut Vec<u8>) -> io::Result<bool> {
        let (opcode, fin) = (self.opcode(), self.head[0] & 0x80 != 0);
        match opcode {
            PING => {
                self.pings += 1;
                answers.extend(frame(PONG, &self.control));
            }
            CLOSE => return Err(io::Error::other(format!("the server closed: {:?}", self.control))),
            _ => {}
        }
        self.head.clear();
        self.control.clear();
        self.left = None;
        Ok(fin && opcode < CLOSE)
    }
}
