//! Uploads that are larger than memory: their parts go to a temporary file as they arrive, up to 1 GiB. Any text
//! returns the last upload, also in parts.
//!
//! Run it with `cargo run --example upload` and open <http://127.0.0.1:8080>, or connect any client to
//! `ws://127.0.0.1:8080/upload`. The first argument is another address to listen on.
//! `tests/memory/uploads.py` measures the memory of twenty uploads.

mod page;

use std::io::{self, SeekFrom};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use ws_core::prelude::*;

/// The largest upload in bytes. Without a limit of the handler, a message may have any size.
const MAX_UPLOAD: u64 = 1 << 30;

#[websocket(path = "/upload")]
#[derive(Default)]
struct Upload {
    file: Option<TemporaryFile>,
}

// With the feature `contract`, what the handler takes and sends is kept in `contract/upload.json`.
#[cfg_attr(not(feature = "contract"), websocket)]
#[cfg_attr(feature = "contract", websocket(contract(sends = [String, Vec<u8>], closes = [(1009, "an upload has at most 1 GiB")])))]
impl Upload {
    /// The next part is read after this one is written, so the disk sets the pace of the client.
    #[on_part]
    async fn part(&mut self, part: Part<'_>, cx: &mut Context<Self>) -> io::Result<()> {
        if part.kind() == MessageKind::Text {
            return if part.is_last() { self.download(cx).await } else { Ok(()) };
        }
        if part.is_first() {
            self.file = Some(TemporaryFile::create().await?);
        }
        let Some(stored) = &mut self.file else { return Ok(()) };
        stored.len += part.len() as u64;
        if stored.len > MAX_UPLOAD {
            cx.close(Close::new(CloseCode::Size, "an upload has at most 1 GiB"));
            return Ok(());
        }
        stored.file.write_all(part.bytes()).await?;
        if part.is_last() {
            stored.file.flush().await?;
            cx.send(format!("stored {} bytes", stored.len));
        }
        Ok(())
    }

    async fn download(&mut self, cx: &mut Context<Self>) -> io::Result<()> {
        let Some(stored) = &mut self.file else {
            cx.send("nothing is stored");
            return Ok(());
        };
        stored.file.seek(SeekFrom::Start(0)).await?;
        let mut buffer = vec![0; 64 << 10];
        let mut message = cx.send_parts(MessageKind::Binary);
        loop {
            match stored.file.read(&mut buffer).await? {
                0 => return message.finish().await,
                len => message.write(&buffer[..len]).await?,
            }
        }
    }
}

/// A file that is removed when the next upload begins, or when the connection ends.
struct TemporaryFile {
    file: File,
    path: PathBuf,
    len: u64,
}

impl TemporaryFile {
    async fn create() -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("upload-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        let file = File::options().read(true).write(true).create_new(true).open(&path).await?;
        Ok(Self { file, path, len: 0 })
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[tokio::main]
async fn main() -> ws_core::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    println!("listening on http://{addr}, WebSocket at ws://{addr}/upload");
    Router::new().mount::<Upload>().fallback(PAGE.app()).serve(addr).await
}

const PAGE: page::Page = page::Page {
    name: "upload",
    about: "A binary message goes to a temporary file in parts, as it arrives. Any text returns the last one.",
    source: include_str!("upload.rs"),
    targets: &["/upload"],
    messages: &["bytes:65536", "bytes:10000000", "again"],
};

#[cfg(test)]
mod tests {
    use ws_core::test::TestClient;

    use super::*;

    #[tokio::test]
    async fn upload_can_be_downloaded() {
        let mut client = TestClient::open(Upload::default()).await;
        client.send("again").await;
        assert_eq!(client.text().await, "nothing is stored");
        let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
        client.send(content.clone()).await;
        assert_eq!(client.text().await, "stored 3000000 bytes");
        client.send("again").await;
        assert!(client.binary().await == content);
    }

    #[cfg(feature = "contract")]
    #[test]
    fn contract_is_kept() {
        ws_core::contract::check("contract/upload.json", &Router::new().mount::<Upload>());
    }
}
