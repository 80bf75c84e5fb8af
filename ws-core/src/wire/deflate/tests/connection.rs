//! What a connection makes of compressed messages: limits, buffers, the end.

use std::borrow::Cow;
use std::time::Instant;

use super::*;
use crate::close::CloseReason;
use crate::options::Options;
use crate::wire::{Connection, InboundMessage};

fn connection(change: impl FnOnce(&mut Options)) -> Connection {
    connection_with(AGREED, change)
}

pub(super) fn connection_with(agreed: DeflateParams, change: impl FnOnce(&mut Options)) -> Connection {
    let mut options = Options::DEFAULT;
    change(&mut options);
    Connection::new(options.into(), Vec::new(), Instant::now()).with_compression(Some(agreed))
}

#[test]
fn what_is_read_ahead_counts_as_it_inflates() {
    let mut wire = connection(|options| options.read_ahead = 10_000);
    let message = frame(0xc2, &deflated(&[0; 4000], AGREED));
    let mut input = message.repeat(100);
    let used = wire.read_ahead(&mut input);
    assert_eq!(used, 3 * message.len(), "two fit, and the last one may exceed it");
    for _ in 0..3 {
        let Some(InboundMessage::Binary(bytes)) = wire.next_read_ahead() else { panic!("a message") };
        // It is kept in memory of its own, not in what was lent to inflate it.
        assert!(matches!(&bytes, Cow::Owned(bytes) if bytes.len() == 4000 && bytes.capacity() <= 8000));
    }
    assert_eq!(wire.next_read_ahead(), None);
}

#[test]
fn outbox_counts_what_is_queued() {
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
fn buffers_come_back_to_the_thread() {
    let mut wire = connection(|_| {});
    let mut input = frame(0xc1, &deflated(&[b'a'; 4000], AGREED));
    let message = wire.next_message(&mut &mut input[..]).unwrap();
    let InboundMessage::Text(Cow::Owned(text)) = &message else { panic!("text of its own") };
    let place = text.as_ptr();
    wire.end_message(message);
    let buffer = ThreadBuffer::Inflated.take();
    assert_eq!(buffer.as_ptr(), place);
    ThreadBuffer::Inflated.put(buffer);
}

#[test]
fn what_crosses_the_close_frame_is_not_inflated() {
    let mut wire = connection(|_| {});
    let message = frame(0xc2, &deflated(&[0; 4000], AGREED));
    let mut input = message.clone();
    assert!(wire.next_message(&mut &mut input[..]).is_some());
    let cut = deflated("Hell\u{f6}".repeat(100).as_bytes(), AGREED);
    assert!(wire.next_message(&mut &mut frame(0x41, &cut[..8])[..]).is_none());
    assert!(format!("{wire:?}").contains("holds_codec: true"));
    wire.close(1000.into());
    assert!(!format!("{wire:?}").contains("holds_codec: true"));
    // Not even what is no stream at all, nor the rest of what had begun.
    let mut crossing = [frame(0x80, b"x"), message, frame(0xc1, &[0xff; 9]), frame(0x88, &[3, 232])].concat();
    wire.read_ahead(&mut crossing);
    assert!(wire.is_finished() && format!("{wire:?}").contains("holds_codec: false"));
}

#[test]
fn connection_that_closes_gives_its_encoder_back() {
    let mut wire = connection(|_| {});
    wire.binary(&[0; 4000]);
    assert!(format!("{wire:?}").contains("holds_codec: true"));
    wire.close(1000.into());
    assert!(!format!("{wire:?}").contains("holds_codec: true"));
    let waiting = wire.outbox().len();
    wire.binary(&[0; 4000]);
    wire.text_with(|_| -> Result<(), ()> { unreachable!("nobody gets it") }).unwrap();
    assert_eq!(wire.outbox().len(), waiting);

    let mut wire = connection(|_| {});
    wire.binary(&[0; 4000]);
    wire.on_write_error(std::io::ErrorKind::BrokenPipe);
    assert!(!format!("{wire:?}").contains("holds_codec: true"));
    wire.binary(&[0; 4000]);
    assert!(wire.outbox().is_empty());
}
