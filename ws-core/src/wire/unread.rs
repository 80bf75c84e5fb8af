//! Input that was read from the socket but not decoded yet.

/// Bytes that are consumed from the front without moving the bytes after them.
///
/// The buffer is boxed, because most idle connections have none.
#[derive(Debug, Default)]
pub(crate) struct UnreadInput(Option<Box<UnreadBytes>>);

#[derive(Debug)]
struct UnreadBytes {
    all: Vec<u8>,
    /// How many bytes of `all` are decoded.
    used: usize,
}

impl UnreadInput {
    /// Returns the bytes that are not decoded.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        self.0.as_mut().map_or(&mut [], |unread| &mut unread.all[unread.used..])
    }

    /// Copies `bytes`, of which the first `used` are already decoded.
    pub(crate) fn with_offset(used: usize, bytes: &[u8]) -> Self {
        let mut input = Self::from(bytes.to_vec());
        if let Some(unread) = &mut input.0 {
            unread.used = used;
        }
        input
    }

    /// Returns all bytes, including those that are already decoded.
    pub(super) fn full(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |unread| &unread.all)
    }

    /// Returns the number of bytes that are not decoded.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |unread| unread.all.len() - unread.used)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps the first `len` of the bytes that are not decoded.
    pub(super) fn truncate(&mut self, len: usize) {
        if let Some(unread) = &mut self.0 {
            unread.all.truncate(unread.used + len);
        }
        self.advance(0);
    }

    /// Marks the next `len` bytes as decoded. The buffer is freed once all bytes are decoded.
    pub(crate) fn advance(&mut self, len: usize) {
        if let Some(unread) = &mut self.0 {
            unread.used += len;
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
