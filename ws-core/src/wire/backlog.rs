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
