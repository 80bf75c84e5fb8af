//! Bytes that were read and not used.

/// Bytes that are taken from the front, without moving those behind them.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    bytes: Vec<u8>,
    used: usize,
}

impl Backlog {
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes[self.used..]
    }

    /// What is behind the first bytes, with these.
    pub(crate) fn behind(used: usize, bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), used }
    }

    /// All of it, also what was used.
    pub(super) fn whole(&self) -> &[u8] {
        &self.bytes
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.used
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first bytes have been used. The memory is freed with the last.
    pub(crate) fn advance(&mut self, len: usize) {
        self.used += len;
        if self.is_empty() {
            *self = Self::default();
        }
    }
}

impl From<Vec<u8>> for Backlog {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, used: 0 }
    }
}
