//! Messages that a method sends in parts.

use std::any::type_name;
use std::fmt;
use std::io;

use super::Context;
use crate::handler::Handler;
use crate::message::MessageKind;
use crate::wire::UnfinishedMessage;

impl<H: Handler> Context<H> {
    /// Starts a message that is sent in parts, for content that is larger than memory or that is not complete yet.
    ///
    /// Each [`write`](PartWriter::write) waits until fewer than `outbox_high_water` bytes wait for the client, as
    /// [`flushed`](Self::flushed) does, and sends the bytes as a fragment of the message (RFC 6455 §5.4);
    /// [`finish`](PartWriter::finish) ends the message. Pings, pongs and a close frame are sent between the
    /// fragments.
    ///
    /// Messages cannot be interleaved. The writer borrows `cx`, so that the method itself sends nothing else
    /// meanwhile. Frames of [`forward`](Self::forward) and [`Deferred`](crate::Deferred) replies wait until the
    /// message is finished; the options `mailbox` and `overflow` apply to the frames.
    ///
    /// A message cannot be abandoned either. A writer that is dropped before `finish` closes the connection with
    /// 1011, because the client would otherwise wait for the rest. A writer that is leaked ([`std::mem::forget`])
    /// has the same effect, at the next message or at the end of the method.
    ///
    /// With compression, the fragments are compressed as one message; `min_size` does not apply, because the size
    /// is not known. Cowboy has no equivalent.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Export;
    /// #[websocket]
    /// impl Export {
    ///     #[on_text]
    ///     async fn export(&mut self, rows: &str, cx: &mut Context<Self>) -> Result<(), BoxError> {
    ///         let rows: u32 = rows.parse()?;
    ///         let mut message = cx.send_parts(MessageKind::Text);
    ///         for row in 0..rows {
    ///             message.write(format!("row {row}\n").as_bytes()).await?;
    ///         }
    ///         message.finish().await?;
    ///         Ok(())
    ///     }
    /// }
    /// # use ws_core::BoxError;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Export).await;
    /// client.send("100000").await;
    /// assert_eq!(client.text().await.lines().count(), 100_000);
    /// # }
    /// ```
    pub fn send_parts(&mut self, kind: MessageKind) -> PartWriter<'_, H> {
        let message = self.session().wire.begin_fragments(kind);
        PartWriter { cx: self, message }
    }
}

/// A message that is being sent in parts: what [`Context::send_parts`] returns.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// use ws_core::{Handler, PartWriter};
///
/// /// Sends what a reader yields.
/// async fn copy<H: Handler>(mut from: impl std::io::Read, mut to: PartWriter<'_, H>) -> std::io::Result<()> {
///     let mut buffer = [0; 1024];
///     loop {
///         match from.read(&mut buffer)? {
///             0 => return to.finish().await,
///             len => to.write(&buffer[..len]).await?,
///         }
///     }
/// }
/// # #[websocket] #[derive(Default)] struct Files;
/// # #[websocket] impl Files {
/// #     #[on_open] async fn open(&mut self, cx: &mut Context<Self>) -> std::io::Result<()> {
/// #         copy(&[7; 5000][..], cx.send_parts(MessageKind::Binary)).await
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let mut client = TestClient::open(Files).await;
/// # assert_eq!(client.binary().await, vec![7; 5000]);
/// # }
/// ```
#[must_use = "a writer that is dropped before `finish` closes the connection"]
pub struct PartWriter<'a, H: Handler> {
    cx: &'a mut Context<H>,
    message: UnfinishedMessage,
}

impl<H: Handler> PartWriter<'_, H> {
    /// Sends bytes of the message, when the client has room for them.
    ///
    /// More than 64 KiB (or `outbox_high_water`, if that is less) are sent as several fragments, each of which
    /// waits. No bytes send nothing. If the future is dropped before it completes, some of the bytes may have been
    /// sent.
    ///
    /// # Errors
    ///
    /// Returns an error of the kind `BrokenPipe` if nothing more can be sent, because the connection closes, and
    /// `InvalidData` if the message is text and the bytes, after those before, are not UTF-8. A character may be
    /// divided between two writes.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let max = self.cx.session().wire.max_fragment();
        for fragment in bytes.chunks(max) {
            self.cx.flushed().await;
            self.cx.session().wire.send_fragment(&mut self.message, fragment, false)?;
        }
        Ok(())
    }

    /// Ends the message, when the client has room.
    ///
    /// # Errors
    ///
    /// Like [`write`](Self::write): `InvalidData` is text that ends within a character.
    pub async fn finish(mut self) -> io::Result<()> {
        self.cx.flushed().await;
        self.cx.session().wire.send_fragment(&mut self.message, &[], true)?;
        Ok(())
    }
}

impl<H: Handler> Drop for PartWriter<'_, H> {
    fn drop(&mut self) {
        // A panic of the method is the better reason, and closes the connection as well.
        if !self.cx.session().wire.has_unfinished_message() || std::thread::panicking() {
            return;
        }
        if self.cx.session().wire.is_open() {
            tracing::error!(
                handler = type_name::<H>(),
                help = "call `finish`",
                "a message of `send_parts` was abandoned"
            );
        }
        self.cx.session().wire.abandon_fragments();
    }
}

impl<H: Handler> fmt::Debug for PartWriter<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartWriter").finish_non_exhaustive()
    }
}
