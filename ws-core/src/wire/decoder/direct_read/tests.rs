use std::borrow::Cow;

use super::*;
use crate::wire::decoder::Decoded;
use crate::wire::testing::frame;

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|i| b'a' + (i * 7 % 23) as u8).collect()
}

/// What comes of a message that is read as a driver does: to where it belongs if there is such a place,
/// and else to a buffer, so many bytes at a time. Says also how many bytes came to where they belong.
fn read(decoder: &mut Decoder, stream: &[u8], mut at_a_time: impl FnMut() -> usize) -> (Vec<u8>, usize) {
    let (mut rest, mut held, mut direct) = (stream, Vec::new(), 0);
    loop {
        let len = at_a_time().clamp(1, rest.len());
        if let Some(room) = decoder.direct_read_buf().filter(|_| held.is_empty()) {
            let len = len.min(room.len());
            room[..len].copy_from_slice(rest.split_off(..len).unwrap());
            decoder.commit_direct_read(len).unwrap();
            direct += len;
            continue;
        }
        held.extend_from_slice(rest.split_off(..len.min(64 << 10)).unwrap());
        let mut input = &mut held[..];
        match decoder.decode(&mut input).unwrap() {
            Some(Decoded::Binary(Cow::Owned(bytes))) => return (bytes, direct),
            Some(Decoded::Text(Cow::Owned(text))) => return (text.into_bytes(), direct),
            Some(other) => panic!("{other:?}"),
            None => held = input.to_vec(),
        }
    }
}

#[test]
fn however_it_is_cut_it_is_the_same() {
    let mut random = 1_u64;
    for len in [70_000, 200_000, 1 << 20] {
        let message = content(len);
        for first in [0x81, 0x82] {
            let stream = frame(first, &message);
            for most in [1_000, 5_000, 50_000, 300_000, usize::MAX] {
                let mut decoder = Decoder::new(1 << 20, true);
                let (got, direct) = read(&mut decoder, &stream, || {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    usize::try_from(random >> 33).unwrap() % most
                });
                assert!(got == message, "{len} bytes, {most} at a time");
                assert!(direct > 0 || len < 100_000, "{len} bytes were read elsewhere");
                assert_eq!(decoder.capacity(), 0);
                // The next one is read to the same place, over what was in it.
                decoder.recycle(got.iter().map(|_| b'?').collect());
            }
        }
    }
}

#[test]
fn fragments_are_one_message() {
    let message = content(300_000);
    let stream = [
        frame(0x02, &message[..100_000]),
        frame(0x00, &message[100_000..100_010]),
        frame(0x00, b""),
        frame(0x80, &message[100_010..]),
    ]
    .concat();
    for most in [999, 70_000, usize::MAX] {
        // What has arrived goes to a buffer of the thread with the last of them.
        message_pool::put(vec![b'?'; 300_000]);
        assert!(read(&mut Decoder::new(1 << 20, true), &stream, || most).0 == message);
    }
}

#[test]
fn header_makes_nobody_allocate_more_than_twice_what_has_arrived() {
    let mut decoder = Decoder::new(1 << 30, true);
    let stream = frame(0x82, &vec![0; 3 << 20]);
    let (start, rest) = stream.split_at(40_000);
    assert_eq!(decoder.decode(&mut &mut start.to_vec()[..]), Ok(None));
    let mut arrived = start.len();
    for part in rest.chunks(10_000) {
        if let Some(room) = decoder.direct_read_buf() {
            let len = part.len().min(room.len());
            room[..len].copy_from_slice(&part[..len]);
            decoder.commit_direct_read(len).unwrap();
            arrived += len;
        }
        assert!(decoder.capacity() <= 2 * arrived, "{} for {arrived}", decoder.capacity());
    }
    assert!(arrived > 2 << 20);
}

#[test]
fn bad_byte_fails_as_soon_as_it_is_read() {
    let mut message = content(200_000);
    message[100_000] = 0xff;
    let stream = frame(0x81, &message);
    let mut decoder = Decoder::new(1 << 20, true);
    assert_eq!(decoder.decode(&mut &mut stream[..60_000].to_vec()[..]), Ok(None));
    let room = decoder.direct_read_buf().unwrap();
    room[..45_000].copy_from_slice(&stream[60_000..105_000]);
    assert_eq!(decoder.commit_direct_read(45_000), Err(ProtocolError::BadEncoding));
}

#[test]
fn what_is_small_or_nearly_there_is_read_with_what_follows() {
    let stream = frame(0x82, &[0; 50_000]);
    for arrived in [10, 20_000, 49_000] {
        let mut decoder = Decoder::new(1 << 20, true);
        assert_eq!(decoder.decode(&mut &mut stream[..arrived].to_vec()[..]), Ok(None));
        assert_eq!(decoder.direct_read_buf(), None);
    }
}

#[test]
fn no_length_is_too_long_to_look_for_room() {
    // A handler may take messages of any size; what a client announces is then no number to double.
    message_pool::put(vec![b'?'; 100_000]);
    let mut decoder = Decoder::new(usize::MAX, true);
    let huge = (u64::MAX >> 1).to_be_bytes();
    let stream = [&frame(0x02, b"0123456789")[..], &[0x80, 0xff], &huge, &[0; 4], b"more"].concat();
    assert_eq!(decoder.decode(&mut &mut stream.clone()[..]), Ok(None));
    assert_eq!(decoder.direct_read_buf(), None);
    assert!(decoder.capacity() < 100);
}
