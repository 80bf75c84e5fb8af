//! Bytes that were read and not used.

/// Bytes that are taken from the front, without moving those behind them. They are boxed, because most
/// connections that wait have none.
#[derive(Debug, Default)]
pub(crate) struct UnreadInput(Option<Box<UnreadBytes>>);

#[derive(Debug)]
struct UnreadBytes {
    all: Vec<u8>,
    used: usize,
}

impl UnreadInput {
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        self.0.as_mut().map_or(&mut [], |bytes| &mut bytes.all[bytes.used..])
    }

    /// What is behind the first bytes, with these.
    pub(crate) fn with_offset(used: usize, bytes: &[u8]) -> Self {
        let mut unread = Self::from(bytes.to_vec());
        if let Some(bytes) = &mut unread.0 {
            bytes.used = used;
        }
        unread
    }

    /// All of it, also what was used.
    pub(super) fn full(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |bytes| &bytes.all)
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |bytes| bytes.all.len() - bytes.used)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first bytes have been used. The memory is freed with the last.
    pub(crate) fn advance(&mut self, len: usize) {
        if let Some(bytes) = &mut self.0 {
            bytes.used += len;
        }
        if self.is_empty() {
            *self = Self::default();
        }
    }
}

impl From<Vec<u8>> for UnreadInput {
    fn from(all: Vec<u8>) -> Self {
        Self((!all.is_empty()).then(|| Box::new(UnreadBytes { all, used: 0 })))
    }
}
