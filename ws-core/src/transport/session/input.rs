//! The input of a session: the stream of its connection, or the channel of POSTs beside it.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use tokio::io::{AsyncRead as _, ReadBuf};

use super::channel::SessionChannel;
use super::uplink::Target;
use super::{MAX_READS, SessionTransport};

/// Bytes of messages that are read while the engine does not want any, to find an acknowledgement.
const MAX_STASH: usize = 64 << 10;

/// Bytes of one read into the stash.
const STASH_READ: usize = 4 << 10;

impl SessionTransport {
    /// Begins the input of another connection, after the frames that wait in the channel of the earlier one. Without a
    /// channel, the incomplete message of the earlier one is dropped.
    pub(super) fn begin_input(&mut self, channel: Option<&SessionChannel>) {
        let earlier = self.short_lived.take().and_then(|connection| connection.channel);
        match (channel, earlier) {
            (Some(channel), Some(earlier)) => return channel.take_over(&earlier),
            (Some(channel), None) => channel.begin(self.up.received()),
            (None, Some(earlier)) => earlier.end(),
            (None, None) => {}
        }
        self.reset += self.up.reset();
    }

    /// Ends the input of a connection that has no successor.
    pub(super) fn end_input(&mut self) {
        if let Some(channel) = self.short_lived.take().and_then(|connection| connection.channel) {
            channel.end();
        }
        self.reset += self.up.reset();
    }

    /// Reads from the stream once. Ready with the number of bytes that pass to the engine.
    pub(super) fn poll_stream(
        &mut self,
        task: &mut TaskContext<'_>,
        buffer: &mut [u8],
        target: Target,
    ) -> Poll<io::Result<usize>> {
        let held = self.up.take_held(buffer);
        let mut read = ReadBuf::new(&mut buffer[held..]);
        let poll = self.poll_input(task, &mut read, target);
        let len = read.filled().len();
        match poll {
            Poll::Ready(read) => {
                let input = if len > 0 { &mut buffer[..held + len] } else { &mut [][..] };
                self.finish_read(task, input, target, read)
            }
            Poll::Pending => {
                self.up.return_held(&buffer[..held]);
                Poll::Pending
            }
        }
    }

    /// Reads from the stream, or from the channel beside it, which goes on between two polls.
    fn poll_input(
        &mut self,
        task: &mut TaskContext<'_>,
        to: &mut ReadBuf<'_>,
        target: Target,
    ) -> Poll<io::Result<()>> {
        if let Some(connection) = &self.short_lived
            && let Some(channel) = &connection.channel
        {
            if let Some(number) = channel.take_ack(task) {
                // One that the connection of another channel has not sent changes nothing.
                self.down.acknowledge(number);
                self.has_sent_objects = true;
                self.publish();
            }
            // No acknowledgement is behind messages here.
            if target == Target::Front && channel.read(to) {
                return Poll::Ready(Ok(()));
            }
        }
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_read(task, to),
            None => Poll::Pending,
        }
    }

    /// Processes the bytes of a read, or handles the end of the stream if there are none.
    pub(super) fn finish_read(
        &mut self,
        task: &TaskContext<'_>,
        input: &mut [u8],
        target: Target,
        read: io::Result<()>,
    ) -> Poll<io::Result<usize>> {
        match read {
            Ok(()) if !input.is_empty() => Poll::Ready(self.process(input, target)),
            end => {
                self.detach(end.map_or_else(|error| error.kind(), |()| ErrorKind::UnexpectedEof), task);
                Poll::Pending
            }
        }
    }

    /// Looks for an acknowledgement, while the engine does not read because the buffer is full.
    pub(super) fn read_acknowledgements(&mut self, task: &mut TaskContext<'_>) -> io::Result<()> {
        let mut buffer = [0; STASH_READ];
        for _ in 0..MAX_READS {
            if self.up.stashed() >= MAX_STASH {
                // The client sends so much that its acknowledgement is far behind.
                self.down.evict_sent();
                self.publish();
                return Ok(());
            }
            match self.poll_stream(task, &mut buffer, Target::Stash) {
                Poll::Ready(read) => _ = read?,
                Poll::Pending => return Ok(()),
            }
        }
        task.waker().wake_by_ref();
        Ok(())
    }
}
