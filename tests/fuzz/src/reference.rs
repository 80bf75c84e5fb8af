//! A plain, slow DEFLATE decoder (RFC 1951), which knows where blocks end and how far back a stream refers.

use ws_core::ProtocolError;

use super::support::TAIL;

/// The largest distance of a reference, in bytes.
const WINDOW: usize = 32 << 10;

/// A message may have this many final blocks, and one more for each [`BYTES_PER_FINAL_BLOCK`].
const MAX_FINAL_BLOCKS: usize = 64;
const BYTES_PER_FINAL_BLOCK: usize = 1 << 10;

/// The decoder of one connection (RFC 7692 §7.2.2).
#[derive(Default)]
pub struct Reference {
    /// The earlier messages, then the current message.
    window: Vec<u8>,
    start: usize,
    limit: usize,
    /// The largest distance of a reference so far.
    pub farthest: usize,
    /// Whether there was a final block.
    pub has_ended: bool,
}

impl Reference {
    /// Inflates a message up to its first error, or to the first byte above the limit.
    pub fn inflate(
        &mut self,
        payload: &[u8],
        takeover: bool,
        limit: usize,
    ) -> (Vec<u8>, Option<ProtocolError>) {
        if !takeover {
            self.window.clear();
        }
        (self.start, self.limit) = (self.window.len(), limit);
        let error = self.message(payload).err();
        (self.window[self.start..].to_vec(), error)
    }

    fn message(&mut self, payload: &[u8]) -> Result<(), ProtocolError> {
        let input = [payload, &TAIL].concat();
        let mut bits = Bits { bytes: &input, at: 0 };
        let (mut is_final, mut final_blocks) = (true, 0);
        // Some clients send an empty payload for an empty message, or no tail after a final block.
        while !(is_final && bits.at == payload.len() * 8) && bits.at < input.len() * 8 {
            is_final = bits.take(1)? == 1;
            match bits.take(2)? {
                0 => self.stored(&mut bits)?,
                1 => self.coded(&mut bits, &Code::fixed_literals(), &Code::fixed_distances())?,
                2 => {
                    let (literals, distances) = dynamic(&mut bits)?;
                    self.coded(&mut bits, &literals, &distances)?;
                }
                _ => return Err(ProtocolError::BadCompression),
            }
            if is_final {
                // After a final block the connection drops the earlier messages (ARCHITECTURE.md).
                bits.align();
                self.window.drain(..self.start);
                (self.start, self.has_ended) = (0, true);
                final_blocks += 1;
                if final_blocks > MAX_FINAL_BLOCKS + self.window.len() / BYTES_PER_FINAL_BLOCK {
                    return Err(ProtocolError::MessageTooBig);
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, byte: u8) -> Result<(), ProtocolError> {
        self.window.push(byte);
        if self.window.len() - self.start > self.limit { Err(ProtocolError::MessageTooBig) } else { Ok(()) }
    }

    /// §3.2.4.
    fn stored(&mut self, bits: &mut Bits<'_>) -> Result<(), ProtocolError> {
        bits.align();
        let (len, complement) = (bits.take(16)?, bits.take(16)?);
        if len != !complement & 0xffff {
            return Err(ProtocolError::BadCompression);
        }
        (0..len).try_for_each(|_| self.push(bits.take(8)? as u8))
    }

    /// §3.2.5.
    fn coded(&mut self, bits: &mut Bits<'_>, literals: &Code, distances: &Code) -> Result<(), ProtocolError> {
        loop {
            let symbol = literals.next(bits)?;
            let len = match symbol {
                0..=255 => {
                    self.push(symbol as u8)?;
                    continue;
                }
                256 => return Ok(()),
                285 => 258,
                257..=264 => symbol - 254,
                265..=284 => extended(symbol - 257, 4, bits)? + 3,
                _ => return Err(ProtocolError::BadCompression),
            };
            let distance = match distances.next(bits)? {
                symbol @ 0..=3 => symbol + 1,
                symbol @ 4..=29 => extended(symbol, 2, bits)? + 1,
                _ => return Err(ProtocolError::BadCompression),
            };
            if distance > self.window.len().min(WINDOW) {
                return Err(ProtocolError::BadCompression);
            }
            self.farthest = self.farthest.max(distance);
            for _ in 0..len {
                self.push(self.window[self.window.len() - distance])?;
            }
        }
    }
}

/// The tables of §3.2.5: for every `per` symbols, one more extra bit follows the symbol.
fn extended(symbol: usize, per: usize, bits: &mut Bits<'_>) -> Result<usize, ProtocolError> {
    let extra = symbol / per - 1;
    Ok(((per + symbol % per) << extra) + bits.take(extra)?)
}

/// §3.2.7.
fn dynamic(bits: &mut Bits<'_>) -> Result<(Code, Code), ProtocolError> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let (literals, distances, count) = (bits.take(5)? + 257, bits.take(5)? + 1, bits.take(4)? + 4);
    let mut lengths = [0; 19];
    for place in &ORDER[..count] {
        lengths[*place] = bits.take(3)?;
    }
    let code = Code::new(&lengths);
    let mut lengths = Vec::new();
    // Undefined symbols must have no code. The symbol that ends a block must have one.
    if literals > 286 || distances > 30 || !code.is_complete {
        return Err(ProtocolError::BadCompression);
    }
    while lengths.len() < literals + distances {
        let (len, times) = match code.next(bits)? {
            16 => (*lengths.last().ok_or(ProtocolError::BadCompression)?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            len => (len, 1),
        };
        lengths.extend(std::iter::repeat_n(len, times));
    }
    if lengths.len() > literals + distances || lengths[256] == 0 {
        return Err(ProtocolError::BadCompression);
    }
    let (literals, distances) = (Code::new(&lengths[..literals]), Code::new(&lengths[literals..]));
    if literals.is_usable && distances.is_usable {
        Ok((literals, distances))
    } else {
        Err(ProtocolError::BadCompression)
    }
}

/// A Huffman code (§3.2.2).
struct Code {
    /// The number of symbols with a code of each length.
    counts: [usize; 16],
    /// The symbols, ordered by their codes.
    symbols: Vec<usize>,
    /// Whether every sequence of bits starts with a code.
    is_complete: bool,
    /// Whether a block may use the code: the code is complete, empty, or a single code of one bit.
    is_usable: bool,
}

impl Code {
    fn new(lengths: &[usize]) -> Self {
        let mut counts = [0; 16];
        for len in lengths.iter().filter(|len| **len > 0) {
            counts[*len] += 1;
        }
        let mut symbols: Vec<usize> = (0..lengths.len()).filter(|symbol| lengths[*symbol] > 0).collect();
        symbols.sort_by_key(|symbol| lengths[*symbol]);
        // The share of all sequences that start with a code.
        let share: usize = (1..16).map(|len| counts[len] << (15 - len)).sum();
        let is_complete = share == 1 << 15;
        let is_usable = is_complete || symbols.is_empty() || (symbols.len() == 1 && counts[1] == 1);
        Self { counts, symbols, is_complete, is_usable }
    }

    fn fixed_literals() -> Self {
        let len = |symbol| match symbol {
            0..144 | 280.. => 8,
            144..256 => 9,
            _ => 7,
        };
        Self::new(&(0..288).map(len).collect::<Vec<usize>>())
    }

    fn fixed_distances() -> Self {
        Self::new(&[5; 32])
    }

    fn next(&self, bits: &mut Bits<'_>) -> Result<usize, ProtocolError> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code = code << 1 | bits.take(1)?;
            first <<= 1;
            if code < first + count {
                return Ok(self.symbols[index + code - first]);
            }
            (first, index) = (first + count, index + count);
        }
        Err(ProtocolError::BadCompression)
    }
}

/// The bits of each byte, lowest first. At the end of the bytes, the message is truncated.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Result<usize, ProtocolError> {
        let mut value = 0;
        for place in 0..count {
            let byte = self.bytes.get(self.at / 8).ok_or(ProtocolError::BadCompression)?;
            value |= usize::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Ok(value)
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }
}
