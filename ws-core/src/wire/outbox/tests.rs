use super::*;

/// Returns an outbox in which `limit` bytes may wait.
fn outbox_with(limit: usize) -> Outbox {
    Outbox::new(Arc::new(Options { outbox_limit: limit, ..Options::default() }))
}

fn vectored(limit: usize) -> Outbox {
    let mut outbox = outbox_with(limit);
    outbox.set_vectored(true);
    outbox
}

/// Returns the encoded frame.
fn encoded(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut outbox = outbox_with(0);
    outbox.push_unbounded(opcode, payload);
    outbox.waiting()
}

/// Returns an outbox with short and long payloads of every kind, the input, and the expected bytes. Parts of
/// the input and of a message are sent twice.
fn mixed() -> (Outbox, Vec<u8>, Vec<u8>) {
    let mut outbox = vectored(1 << 20);
    let input: Vec<u8> = (0..20_000_u32).map(|i| i as u8).collect();
    let message: Vec<u8> = (0..30_000_u32).map(|i| (i * 3) as u8).collect();
    let mut expect = Vec::new();
    let mut send = |outbox: &mut Outbox, payload: &[u8]| {
        assert!(outbox.push(Opcode::Binary, payload));
        expect.extend(encoded(Opcode::Binary, payload));
    };
    send(&mut outbox, b"first");
    outbox.begin_input(&input);
    for part in [&input[..5000], &input[10_000..], &input[10_000..], &input[7..100], &input[..]] {
        send(&mut outbox, part);
    }
    send(&mut outbox, b"between");
    outbox.begin_message(&message);
    for part in [&message[..], &message[1..6000], &input[..5000], &message[25_000..]] {
        send(&mut outbox, part);
    }
    assert_eq!(outbox.end_message(message), None);
    assert!(outbox.push_owned(Opcode::Text, vec![b'k'; 9000].into()));
    expect.extend(encoded(Opcode::Text, &[b'k'; 9000]));
    let shared = encoded(Opcode::Binary, &[1; 70_000]);
    assert!(
        outbox.push_shared(&shared.clone().into())
            && outbox.push_shared(&Bytes::from_static(&[0x81, 1, b'x']))
    );
    expect.extend([&shared[..], &[0x81, 1, b'x']].concat());
    assert_eq!(outbox.len(), expect.len());
    (outbox, input, expect)
}

/// Writes to a socket that accepts `take` bytes and `max_slices` slices per write, and checks the bytes.
#[track_caller]
fn check_writes(mut outbox: Outbox, input: &[u8], expect: &[u8], take: usize, max_slices: usize) {
    let mut seen = Vec::new();
    while !outbox.is_empty() {
        let mut slices = vec![IoSlice::new(&[]); max_slices];
        let piece: Vec<u8> = match outbox.contiguous() {
            Some(bytes) => bytes[..take.min(bytes.len())].to_vec(),
            None => {
                let count = outbox.slices(input, &mut slices);
                slices[..count].iter().flat_map(|slice| slice.iter().copied()).take(take).collect()
            }
        };
        assert!(!piece.is_empty());
        let waiting = outbox.len();
        outbox.consume(piece.len());
        assert_eq!(outbox.len(), waiting - piece.len());
        seen.extend(piece);
        outbox.reclaim();
    }
    assert!(seen == expect, "{take} bytes of {max_slices} slices per write");
    assert!(outbox.segments.is_none());
}

#[test]
fn writes_slices_in_order_for_any_write_size() {
    for (take, max_slices) in
        [(usize::MAX, 100), (usize::MAX, 1), (1, 2), (7, 3), (4999, 1), (6001, 8), (50_000, 8)]
    {
        let (outbox, input, expect) = mixed();
        check_writes(outbox, &input, &expect, take, max_slices);
        // The result is equal if the input is copied before it is written.
        let (mut outbox, input, expect) = mixed();
        assert!(outbox.end_input());
        outbox.retain_input(&input);
        assert!(!outbox.end_input());
        check_writes(outbox, &[], &expect, take, max_slices);
    }
}

/// What waits before the payload, the payload, what waits behind, and the number of slices.
type JoinCase<'a> = (usize, &'a [u8], Option<&'a [u8]>, usize);

#[test]
fn only_payload_of_the_input_is_joined_with_the_bytes_before() {
    let input = vec![7; 20_000];
    let other = vec![8; 5000];
    let cases: [JoinCase<'_>; 7] = [
        (0, &input[8..], None, 1),
        (0, &input[4..], None, 1),
        (0, &input[3..], None, 2),
        (4000, &input[8000..], None, 1),
        (5000, &input[8000..], None, 2),
        (0, &input[8..9000], Some(&input[..9000]), 4),
        (0, &input[8..9000], Some(b"behind"), 3),
    ];
    for (before, payload, behind, count) in cases {
        let mut outbox = vectored(1 << 20);
        outbox.begin_input(&input);
        let mut expect = Vec::new();
        for part in [&other[..before], payload].into_iter().chain(behind).filter(|part| !part.is_empty()) {
            assert!(outbox.push(Opcode::Binary, part));
            expect.extend(encoded(Opcode::Binary, part));
        }
        let mut input = input.clone();
        assert!(outbox.end_input());
        outbox.join_input(&mut input);
        assert_eq!(outbox.slices(&input, &mut [IoSlice::new(&[]); 8]), count);
        assert_eq!(outbox.len(), expect.len());
        outbox.consume(3);
        outbox.retain_input(&input);
        assert!(outbox.push(Opcode::Text, b"later"));
        expect.extend(encoded(Opcode::Text, b"later"));
        assert_eq!(outbox.waiting(), expect[3..]);
    }
}

#[test]
fn copies_no_large_payload() {
    let (mut outbox, input, _) = mixed();
    assert!(outbox.bytes.len() < 6000, "{} bytes", outbox.bytes.len());
    assert!(outbox.source.find(&input[..5000]).is_none(), "the message was handled last");
    let owned = vec![7; 5000];
    let address = owned.as_ptr();
    outbox.clear();
    assert!(outbox.push_owned(Opcode::Binary, owned.into()));
    let mut slices = [IoSlice::new(&[]); 4];
    assert_eq!(outbox.slices(&[], &mut slices), 2);
    assert_eq!(slices[1].as_ptr(), address);
}

#[test]
fn copies_all_payloads_without_vectored_writes() {
    let mut outbox = outbox_with(1 << 20);
    let input = vec![1; 10_000];
    outbox.begin_input(&input);
    assert!(outbox.push(Opcode::Binary, &input) && outbox.push_owned(Opcode::Binary, vec![2; 10_000].into()));
    assert!(outbox.push_shared(&vec![3; 10_000].into()));
    assert!(!outbox.end_input());
    assert_eq!(outbox.contiguous().map(<[u8]>::len), Some(30_008));
    let message = vec![4; 10_000];
    outbox.begin_message(&message);
    assert!(outbox.push(Opcode::Binary, &message));
    assert_eq!(outbox.end_message(message.clone()), Some(message));
}

#[test]
fn limit_counts_payloads_that_are_not_copied() {
    let mut outbox = vectored(10_000);
    let input = vec![1; 6000];
    outbox.begin_input(&input);
    assert!(outbox.push(Opcode::Binary, &input));
    assert!(!outbox.push(Opcode::Binary, &input));
    assert!(!outbox.push_owned(Opcode::Binary, vec![1; 6000].into()));
    assert!(!outbox.push_shared(&vec![1; 6000].into()));
    assert!(outbox.push(Opcode::Binary, &[0; 3000]));
    assert_eq!(outbox.len(), 6004 + 3004);
    // The close frame is appended regardless of the limit.
    outbox.push_unbounded(Opcode::Close, &[]);
    outbox.consume(6000);
    outbox.retain_input(&input);
    assert_eq!(outbox.waiting(), [&[1; 4][..], &encoded(Opcode::Binary, &[0; 3000]), &[0x88, 0]].concat());
}

#[test]
fn waiting_bytes_keep_at_most_twice_their_size_alive() {
    let mut outbox = vectored(1 << 20);
    let message = vec![9; 1 << 20];
    outbox.begin_message(&message);
    assert!(outbox.push(Opcode::Binary, &message[100..8292]));
    assert_eq!(outbox.end_message(message), None);
    let mut large = Vec::with_capacity(50_000);
    large.resize(10_000, 8_u8);
    assert!(outbox.push_owned(Opcode::Binary, large.into()));
    outbox.reclaim();
    assert!(crate::wire::message_pool::take(1 << 20).is_some(), "the buffer returned to the pool");
    assert_eq!(outbox.segments.as_ref().unwrap().allocated(), 8192 + 10_000);
    outbox.consume(4 + 8192 + 4 + 9000);
    outbox.reclaim();
    assert_eq!(outbox.segments.as_ref().unwrap().allocated(), 1000);
    assert_eq!(outbox.waiting(), [8; 1000]);
    outbox.consume(1000);
    assert!(outbox.segments.is_none() && outbox.is_empty());
}

#[track_caller]
fn check(len: usize, header: &[u8]) {
    let payload = vec![b'x'; len];
    let expect = [header, &payload].concat();
    let mut outbox = outbox_with(100);
    assert!(outbox.push(Opcode::Text, &payload));
    assert_eq!(outbox.waiting(), expect);
    outbox.clear();
    let written = outbox.push_with(Opcode::Text, |to| {
        to.extend_from_slice(&payload);
        Ok::<_, ()>(())
    });
    assert_eq!(written, Ok(true));
    assert_eq!(outbox.waiting(), expect);
}

#[test]
fn encodes_headers_of_every_length() {
    check(0, &[0x81, 0]);
    check(125, &[0x81, 125]);
    check(126, &[0x81, 126, 0, 126]);
    check(65535, &[0x81, 126, 0xff, 0xff]);
    check(65536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn appends_nothing_if_the_payload_fails() {
    let mut outbox = outbox_with(100);
    assert!(outbox.push(Opcode::Text, b"before"));
    let before = outbox.waiting().to_vec();
    let failed = outbox.push_with(Opcode::Text, |to| {
        to.push(1);
        Err("no")
    });
    assert_eq!(failed, Err("no"));
    assert_eq!(outbox.waiting(), before);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = outbox.push_with(Opcode::Text, |_| -> Result<(), ()> { panic!("in a serializer") });
    }));
    assert!(panicked.is_err());
    assert_eq!(outbox.waiting(), before);
    let long = outbox.push_with(Opcode::Text, |to| {
        to.resize(200, 0);
        Ok::<_, ()>(())
    });
    assert_eq!(long, Ok(false));
    assert_eq!(outbox.waiting(), before);
}

#[test]
fn returns_the_buffer_and_shrinks_the_remaining_bytes() {
    let mut outbox = outbox_with(100);
    outbox.lend(&mut Vec::with_capacity(4096));
    assert!(outbox.push(Opcode::Binary, &[7; 100]));
    outbox.consume(60);
    let returned = outbox.reclaim().expect("the outbox returns the large buffer");
    assert_eq!(returned.capacity(), 4096);
    assert_eq!(outbox.waiting(), [7; 42]);
    assert!(outbox.bytes.capacity() <= 42);
    outbox.consume(42);
    assert!(outbox.reclaim().is_some());
    assert_eq!(outbox.bytes.capacity(), 0);
    assert!(outbox.reclaim().is_none());
}

#[test]
fn drops_written_bytes() {
    let mut outbox = outbox_with(1000);
    for _ in 0..1000 {
        let written = outbox.push_with(Opcode::Text, |to| {
            to.extend_from_slice(&[b'x'; 100]);
            Ok::<_, ()>(())
        });
        assert_eq!(written, Ok(true));
        outbox.consume(outbox.len() - 1);
    }
    assert!(outbox.bytes.capacity() < 2000, "{}", outbox.bytes.capacity());
    assert_eq!(outbox.waiting(), b"x");
}

#[test]
fn limit_applies_after_the_first_message() {
    let mut outbox = outbox_with(100);
    assert!(outbox.push(Opcode::Binary, &[0; 90]));
    assert!(!outbox.push(Opcode::Binary, &[0; 90]));
    outbox.clear();
    assert!(outbox.push(Opcode::Binary, &[0; 1000]));
    assert!(outbox.push(Opcode::Binary, &[0; 90]));
    assert!(!outbox.push(Opcode::Binary, &[0; 90]));
    outbox.consume(outbox.len());
    assert!(outbox.push(Opcode::Binary, &[0; 90]));
    assert!(!outbox.push(Opcode::Binary, &[0; 90]));
}

#[test]
fn swap_back_agrees_with_reclaim() {
    for waits in [false, true] {
        let outbox = || {
            let mut outbox = outbox_with(100);
            outbox.lend(&mut Vec::with_capacity(4096));
            assert!(outbox.push(Opcode::Binary, &[7; 60]));
            outbox.consume(if waits { 40 } else { 62 });
            outbox
        };
        let (mut swapped, mut reclaimed) = (outbox(), outbox());
        let mut lender = Vec::new();
        let is_swapped = swapped.swap_back(&mut lender);
        assert_eq!(is_swapped, !waits);
        if is_swapped {
            let returned = reclaimed.reclaim().expect("the outbox returns the buffer");
            assert_eq!((&lender, lender.capacity()), (&returned, returned.capacity()));
            assert_eq!(swapped.bytes.capacity(), reclaimed.bytes.capacity());
        }
        assert_eq!((swapped.len(), swapped.waiting()), (reclaimed.len(), reclaimed.waiting()));
    }
}
