//! The server on a Unix socket.

use std::fs;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixSocket};

use super::run::run_server;
use crate::error::{Error, Result};
use crate::router::{ReadyRouter, Router};

impl<S> Router<S>
where
    Self: ReadyRouter,
{
    /// Serves the router on a Unix socket until `shutdown` is ready, and then drains like
    /// [`serve_with_shutdown`](Self::serve_with_shutdown). The system has Unix sockets on Unix only.
    ///
    /// The clients have no address: [`PeerAddr`](crate::PeerAddr) rejects them with 500, `Option<PeerAddr>` and
    /// [`Context::peer_addr`](crate::Context::peer_addr) are `None`, and limits per address do not apply. For a proxy,
    /// [`trusted_proxies`](Self::trusted_proxies)`(["unix:"])` takes the addresses in its headers.
    ///
    /// The file is removed when the server ends, and replaced if no process listens on it any more. The permissions of
    /// its folder decide who may connect. Start one server of a path at a time: of two that start at once and both find a
    /// file that no process listens on, one can remove the new file of the other, which then gets no clients. The queue of the listener has the length of [`backlog`](Self::backlog).
    /// [`serve_listeners`](Self::serve_listeners) serves a `UnixListener` that is already bound.
    ///
    /// # Errors
    ///
    /// [`Error::Path`] if the server cannot listen on the path: a process listens on it, the folder does not exist or
    /// is not writable, or the path is longer than the system allows (107 bytes on Linux). Also those of
    /// [`serve_listener`](Self::serve_listener).
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::UnixStream};
    /// # #[websocket(path = "/")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let path = std::env::temp_dir().join(format!("ws-core-unix-{}.sock", std::process::id()));
    /// # let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// # let stop_signal = async { _ = stopped.await };
    /// let server = tokio::spawn(Router::new().mount::<Echo>().serve_unix(path.clone(), stop_signal));
    /// # let mut client = loop {
    /// #     if let Ok(client) = UnixStream::connect(&path).await { break client }
    /// #     tokio::task::yield_now().await;
    /// # };
    /// client.write_all(b"GET /nowhere HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    /// let mut answer = [0; 12];
    /// client.read_exact(&mut answer).await.unwrap();
    /// assert_eq!(&answer, b"HTTP/1.1 404");
    /// # drop(stop);
    /// server.await.unwrap().unwrap();
    /// assert!(!path.exists());
    /// # }
    /// ```
    pub fn serve_unix<F>(self, path: impl AsRef<Path>, shutdown: F) -> impl Future<Output = Result<()>>
    where
        F: Future<Output = ()>,
    {
        let (server, path) = (self.complete(), path.as_ref().to_owned());
        async move {
            let bound = bind(&path, server.settings.backlog);
            let (listener, _file) = bound.map_err(|source| Error::Path { path, source })?;
            run_server(server, vec![listener.into()], shutdown).await
        }
    }
}

/// The device, number and time of a file. A new file may get the number of one that was removed.
type FileId = (u64, u64, i64, i64);

/// The file of a socket, removed on drop unless another one has replaced it.
struct SocketFile {
    path: PathBuf,
    id: FileId,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if file_id(&self.path).is_ok_and(|id| id == self.id) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn bind(path: &Path, backlog: u32) -> io::Result<(UnixListener, SocketFile)> {
    let listen = || {
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        socket.listen(backlog)
    };
    let listener = match listen() {
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_abandoned(path) => {
            fs::remove_file(path)?;
            listen()
        }
        result => result,
    }?;
    Ok((listener, SocketFile { path: path.to_owned(), id: file_id(path)? }))
}

/// Returns whether a path is a socket on which no process listens, as a killed one leaves it.
fn is_abandoned(path: &Path) -> bool {
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // A process whose queue is full would block the connect.
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    // Other files refuse connections too.
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    is_socket && connect().is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

fn file_id(path: &Path) -> io::Result<FileId> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino(), file.mtime(), file.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that is removed on drop.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("ws-core-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn abandoned_socket_is_replaced_and_others_are_not() {
        let folder = Folder::new("unix");
        let path = folder.0.join("socket");
        let (first, first_file) = bind(&path, 16).unwrap();
        assert_eq!(bind(&path, 16).err().unwrap().kind(), ErrorKind::AddrInUse);
        // The process ends, and its file stays.
        drop(first);
        // The clock of files has a resolution of some milliseconds.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let (second, second_file) = bind(&path, 16).unwrap();
        // The end of an old server does not remove the file of a new one.
        drop(first_file);
        assert!(path.exists());
        drop((second, second_file));
        assert!(!path.exists());

        fs::write(&path, "a file").unwrap();
        assert_eq!(bind(&path, 16).err().unwrap().kind(), ErrorKind::AddrInUse);
        assert_eq!(fs::read(&path).unwrap(), b"a file");
        assert!(bind(&folder.0.join("missing/socket"), 16).is_err());
        assert!(bind(&folder.0.join("x".repeat(200)), 16).is_err());
    }
}
