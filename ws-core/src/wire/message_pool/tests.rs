use super::*;

/// Returns the number of bytes in the pool of the thread.
fn pooled_bytes() -> usize {
    BUFFERS.with_borrow(|buffers| buffers.iter().map(Vec::capacity).sum())
}

#[test]
fn reuses_a_buffer() {
    put(vec![1; 100_000]);
    assert!(take(100_001).is_none(), "the buffer is too small");
    assert!(take(49_999).is_none(), "the buffer is too large");
    let (buffer, _loan) = take(90_000).unwrap();
    assert_eq!((buffer.len(), buffer.capacity(), pooled_bytes()), (100_000, 100_000, 0));
    assert!(take(90_000).is_none());
}

#[test]
fn limits_the_pool() {
    for _ in 0..3 {
        for size in [1000, 70_000, 500_000, 1 << 20, 2 << 20, 3 << 20] {
            put(Vec::with_capacity(size));
            assert!(pooled_bytes() <= MAX_POOLED_BYTES);
        }
    }
    for _ in 0..100 {
        put(Vec::with_capacity(70_000));
    }
    assert_eq!(pooled_bytes(), MAX_POOLED_BUFFERS * 70_000);
}

#[test]
fn returns_a_shared_message_with_its_last_reference() {
    let shared = into_shared(vec![7; 80_000]);
    let part = shared.slice(10..20);
    drop(shared);
    assert_eq!(pooled_bytes(), 0);
    assert_eq!(&part[..], [7; 10]);
    drop(part);
    assert_eq!(pooled_bytes(), 80_000);
}
