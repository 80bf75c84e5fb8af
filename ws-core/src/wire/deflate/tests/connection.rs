//! Compressed messages on a connection: limits, buffers and closing.

use std::borrow::Cow;
use std::time::Instant;

use super::*;
use crate::close::CloseReason;
use crate::options::Options;
use crate::wire::{Connection, InboundMessage};

fn connection(change: impl FnOnce(&mut Options)) -> Connection {
    connection_with(PARAMS, change)
}

pub(super) fn connection_with(params: DeflateParams, change: impl FnOnce(&mut Options)) -> Connection {
    let mut options = Options::DEFAULT;
    change(&mut options);
    Connection::new(options.into(), Vec::new(), Instant::now()).with_compression(Some(params))
}

#[test]
fn read_ahead_counts_inflated_bytes() {
    let mut wire = connection(|options| options.read_ahead = 10_000);
    let message = frame(0xc2, &deflated(&[0; 4000], PARAMS));
    let mut input = message.repeat(100);
    let used = wire.read_ahead(&mut input);
    assert_eq!(used, 3 * message.len(), "two messages fit, and the third exceeds the limit");
    for _ in 0..3 {
        let Some(InboundMessage::Binary(bytes)) = wire.next_read_ahead() else { panic!("a message") };
        // The queued message does not occupy the thread's buffer.
        assert!(matches!(&bytes, Cow::Owned(bytes) if bytes.len() == 4000 && bytes.capacity() <= 8000));
    }
    assert_eq!(wire.next_read_ahead(), None);
}

#[test]
fn outbox_counts_compressed_bytes() {
    let mut wire = connection(|options| options.outbox_limit = 1000);
    for _ in 0..20 {
        wire.binary(&[0; 4000]);
    }
    assert!(wire.is_open() && wire.outbox().len() < 1000);
    wire.set_compress(false);
    wire.binary(&[0; 4000]);
    assert_eq!(wire.close_reason(), Some(&CloseReason::Overflow));
    let waiting = wire.outbox().len();
    wire.text("after the end");
    assert_eq!(wire.outbox().len(), waiting);
}

#[test]
fn returns_the_buffer_to_the_thread() {
    let mut wire = connection(|_| {});
    let mut input = frame(0xc1, &deflated(&[b'a'; 4000], PARAMS));
    let message = wire.next_message(&mut &mut input[..]).unwrap();
    let InboundMessage::Text(Cow::Owned(text)) = &message else { panic!("text that owns its buffer") };
    let address = text.as_ptr();
    wire.end_message(message);
    let buffer = ThreadBuffer::Inflated.take();
    assert_eq!(buffer.as_ptr(), address);
    ThreadBuffer::Inflated.put(buffer);
}

#[test]
fn does_not_inflate_after_the_close_frame() {
    let mut wire = connection(|_| {});
    let message = frame(0xc2, &deflated(&[0; 4000], PARAMS));
    let mut input = message.clone();
    assert!(wire.next_message(&mut &mut input[..]).is_some());
    let cut = deflated("Hell\u{f6}".repeat(100).as_bytes(), PARAMS);
    assert!(wire.next_message(&mut &mut frame(0x41, &cut[..8])[..]).is_none());
    assert!(format!("{wire:?}").contains("holds_codec: true"));
    wire.close(1000.into());
    assert!(!format!("{wire:?}").contains("holds_codec: true"));
    // An invalid stream and the rest of the incomplete message are dropped too.
    let mut crossing = [frame(0x80, b"x"), message, frame(0xc1, &[0xff; 9]), frame(0x88, &[3, 232])].concat();
    wire.read_ahead(&mut crossing);
    assert!(wire.is_finished() && format!("{wire:?}").contains("holds_codec: false"));
}

#[test]
fn drops_the_encoder_when_closing() {
    let mut wire = connection(|_| {});
    wire.binary(&[0; 4000]);
    assert!(format!("{wire:?}").contains("holds_codec: true"));
    wire.close(1000.into());
    assert!(!format!("{wire:?}").contains("holds_codec: true"));
    let waiting = wire.outbox().len();
    wire.binary(&[0; 4000]);
    wire.text_with(|_| -> Result<(), ()> { unreachable!("the connection is closing") }).unwrap();
    assert_eq!(wire.outbox().len(), waiting);

    let mut wire = connection(|_| {});
    wire.binary(&[0; 4000]);
    wire.on_write_error(std::io::ErrorKind::BrokenPipe);
    assert!(!format!("{wire:?}").contains("holds_codec: true"));
    wire.binary(&[0; 4000]);
    assert!(wire.outbox().is_empty());
}
