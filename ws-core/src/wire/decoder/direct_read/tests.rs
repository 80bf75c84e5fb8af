use std::borrow::Cow;

use super::*;
use crate::wire::decoder::Decoded;
use crate::wire::testing::frame;

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|i| b'a' + (i * 7 % 23) as u8).collect()
}

/// Reads a message as the driver does: directly if the decoder offers a buffer, otherwise into a buffer of
/// its own. `read_size` returns the size of each read. Returns the payload and the number of bytes that were
/// read directly.
fn read(decoder: &mut Decoder, stream: &[u8], mut read_size: impl FnMut() -> usize) -> (Vec<u8>, usize) {
    let (mut rest, mut unread, mut direct) = (stream, Vec::new(), 0);
    loop {
        let len = read_size().clamp(1, rest.len());
        if let Some(room) = decoder.direct_read_buf().filter(|_| unread.is_empty()) {
            let len = len.min(room.len());
            room[..len].copy_from_slice(rest.split_off(..len).unwrap());
            unread = commit(decoder, len);
            direct += len - unread.len();
            if unread.is_empty() {
                continue;
            }
        } else {
            unread.extend_from_slice(rest.split_off(..len.min(64 << 10)).unwrap());
        }
        let mut input = &mut unread[..];
        match decoder.decode(&mut input).unwrap() {
            Some(Decoded::Binary(Cow::Owned(bytes))) => return (bytes, direct),
            Some(Decoded::Text(Cow::Owned(text))) => return (text.into_bytes(), direct),
            Some(other) => panic!("{other:?}"),
            None => unread = input.to_vec(),
        }
    }
}

/// Commits a direct read of `len` bytes. Returns those that complete the frame and that follow it.
fn commit(decoder: &mut Decoder, len: usize) -> Vec<u8> {
    let mut input = vec![0; 1 + ROOM_AFTER_FRAME];
    let end = decoder.take_frame_end(len, &mut input);
    decoder.commit_direct_read(len - end).unwrap();
    input.truncate(end);
    input
}

#[test]
fn any_read_size_yields_the_same_message() {
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
                assert!(got == message, "{len} bytes, at most {most} per read");
                assert!(direct > 0 || len < 100_000, "{len} bytes were not read directly");
                assert_eq!(decoder.capacity(), 0);
                // The next message reuses the buffer and overwrites its content.
                decoder.recycle(got.iter().map(|_| b'?').collect());
            }
        }
    }
}

#[test]
fn fragments_yield_one_message() {
    let message = content(300_000);
    let stream = [
        frame(0x02, &message[..100_000]),
        frame(0x00, &message[100_000..100_010]),
        frame(0x00, b""),
        frame(0x80, &message[100_010..]),
    ]
    .concat();
    for most in [999, 70_000, usize::MAX] {
        // The last fragment moves the message to a buffer of the thread.
        message_pool::put(vec![b'?'; 300_000]);
        assert!(read(&mut Decoder::new(1 << 20, true), &stream, || most).0 == message);
    }
}

#[test]
fn allocates_at_most_twice_the_bytes_that_arrived() {
    let mut decoder = Decoder::new(1 << 30, true);
    let stream = frame(0x82, &vec![0; 3 << 20]);
    let (start, rest) = stream.split_at(40_000);
    assert_eq!(decoder.decode(&mut &mut start.to_vec()[..]), Ok(None));
    let mut arrived = start.len();
    for part in rest.chunks(10_000) {
        if let Some(room) = decoder.direct_read_buf() {
            let len = part.len().min(room.len());
            room[..len].copy_from_slice(&part[..len]);
            commit(&mut decoder, len);
            arrived += len;
        }
        assert!(decoder.capacity() <= 2 * arrived, "{} for {arrived}", decoder.capacity());
    }
    assert!(arrived > 2 << 20);
}

#[test]
fn rejects_an_invalid_byte_as_soon_as_it_arrives() {
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
fn last_read_has_room_for_what_follows() {
    let message = content(100_000);
    let stream = [frame(0x82, &message), frame(0x89, b"ping")].concat();
    let mut decoder = Decoder::new(1 << 20, true);
    let (start, rest) = stream.split_at(60_000);
    assert_eq!(decoder.decode(&mut &mut start.to_vec()[..]), Ok(None));
    let room = decoder.direct_read_buf().unwrap();
    assert_eq!(room.len(), 100_014 - 60_000 + ROOM_AFTER_FRAME);
    room[..rest.len()].copy_from_slice(rest);
    let mut end = commit(&mut decoder, rest.len());
    assert_eq!(end, stream[stream.len() - 11..]);
    let mut input = &mut end[..];
    assert_eq!(decoder.decode(&mut input), Ok(Some(Decoded::Binary(message.into()))));
    assert_eq!(decoder.decode(&mut input), Ok(Some(Decoded::Ping(b"ping"))));
}

#[test]
fn offers_no_buffer_for_few_bytes() {
    let stream = frame(0x82, &[0; 50_000]);
    for arrived in [10, 20_000, 49_000] {
        let mut decoder = Decoder::new(1 << 20, true);
        assert_eq!(decoder.decode(&mut &mut stream[..arrived].to_vec()[..]), Ok(None));
        assert_eq!(decoder.direct_read_buf(), None);
    }
}

#[test]
fn accepts_the_largest_announced_length() {
    // Without a size limit, twice the announced length overflows.
    message_pool::put(vec![b'?'; 100_000]);
    let mut decoder = Decoder::new(usize::MAX, true);
    let huge = (u64::MAX >> 1).to_be_bytes();
    let stream = [&frame(0x02, b"0123456789")[..], &[0x80, 0xff], &huge, &[0; 4], b"more"].concat();
    assert_eq!(decoder.decode(&mut &mut stream.clone()[..]), Ok(None));
    assert_eq!(decoder.direct_read_buf(), None);
    assert!(decoder.capacity() < 100);
}
