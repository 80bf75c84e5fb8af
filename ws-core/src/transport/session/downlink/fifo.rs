//! A queue in one contiguous slice.

/// Items in order, with room for more at the end. Removed items stay in front until they are more than half of all.
#[derive(Debug)]
pub(super) struct Fifo<T> {
    items: Vec<T>,
    /// The number of items that are removed.
    removed: usize,
}

impl<T: Copy> Fifo<T> {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { items: Vec::with_capacity(capacity), removed: 0 }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.items.len() - self.removed
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[T] {
        &self.items[self.removed..]
    }

    #[inline]
    pub(super) fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.items[self.removed..]
    }

    #[inline]
    pub(super) fn push(&mut self, item: T) {
        self.items.push(item);
    }

    #[inline]
    pub(super) fn extend(&mut self, items: &[T]) {
        self.items.extend_from_slice(items);
    }

    /// Removes `count` items at the front.
    ///
    /// Moves the others at most once for each removed item, on average.
    pub(super) fn remove_front(&mut self, count: usize) {
        self.removed += count;
        if self.removed > self.items.len() / 2 {
            self.items.drain(..self.removed);
            self.removed = 0;
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.items.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::Fifo;

    #[test]
    fn removed_items_use_at_most_half() {
        let mut fifo = Fifo::with_capacity(4);
        let mut next = 0;
        for round in 0_u32..1000 {
            for _ in 0..round % 7 {
                fifo.push(next);
                next += 1;
            }
            fifo.remove_front(fifo.len().min(round as usize % 5));
            assert!(fifo.removed <= fifo.items.len() / 2);
            assert!(fifo.capacity() <= 4 * fifo.len().max(8));
            let first = next - u32::try_from(fifo.len()).unwrap();
            assert!(fifo.as_slice().iter().copied().eq(first..next));
        }
    }
}
