use super::*;

/// How many bytes the thread keeps.
fn kept() -> usize {
    BUFFERS.with_borrow(|buffers| buffers.iter().map(Vec::capacity).sum())
}

#[test]
fn a_buffer_comes_back_and_is_lent_again() {
    give_back(vec![1; 100_000]);
    assert!(lend(100_001).is_none(), "it is too small");
    assert!(lend(49_999).is_none(), "it is too large");
    let (buffer, _loan) = lend(90_000).unwrap();
    assert_eq!((buffer.len(), buffer.capacity(), kept()), (100_000, 100_000, 0));
    assert!(lend(90_000).is_none());
}

#[test]
fn what_is_kept_is_bounded() {
    for _ in 0..3 {
        for size in [1000, 70_000, 500_000, 1 << 20, 2 << 20, 3 << 20] {
            give_back(Vec::with_capacity(size));
            assert!(kept() <= KEPT);
        }
    }
    for _ in 0..100 {
        give_back(Vec::with_capacity(70_000));
    }
    assert_eq!(kept(), COUNT * 70_000);
}

#[test]
fn shared_message_comes_back_with_its_last_reference() {
    let shared = shared(vec![7; 80_000]);
    let part = shared.slice(10..20);
    drop(shared);
    assert_eq!(kept(), 0);
    assert_eq!(&part[..], [7; 10]);
    drop(part);
    assert_eq!(kept(), 80_000);
}
