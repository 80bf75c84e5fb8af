//! A proxy before a NATS server that drops commands and breaks connections.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle};

use super::NatsServer;

/// A proxy that drops those commands of clients that contain a certain word.
///
/// To its clients, the proxy is a server that answers all other requests.
pub struct LossyProxy {
    port: u16,
    rule: Arc<DropRule>,
    links: Arc<Links>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct DropRule {
    word: Mutex<Option<String>>,
    dropped: Mutex<Vec<(Arc<Server>, Vec<u8>)>>,
}

/// The connection of one client to the server.
type Server = tokio::sync::Mutex<OwnedWriteHalf>;

/// The tasks of all connections.
#[derive(Default)]
struct Links {
    is_offline: AtomicBool,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl LossyProxy {
    pub async fn start(nats: &NatsServer) -> Self {
        Self::start_for(nats.port).await
    }

    /// Starts a proxy before a port of this computer, for clients or for the routes of a cluster.
    pub async fn start_for(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (rule, links) = (Arc::<DropRule>::default(), Arc::<Links>::default());
        let task = tokio::spawn({
            let (rule, links) = (Arc::clone(&rule), Arc::clone(&links));
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    // Without its server, or while it is offline, the proxy closes the connection.
                    let server = TcpStream::connect(("127.0.0.1", upstream)).await;
                    let (Ok(server), false) = (server, links.is_offline.load(Ordering::SeqCst)) else {
                        continue;
                    };
                    let ((mut down, up), (from_client, mut to_client)) =
                        (server.into_split(), client.into_split());
                    let answers =
                        tokio::spawn(async move { tokio::io::copy(&mut down, &mut to_client).await });
                    let commands = tokio::spawn(forward(from_client, up, Arc::clone(&rule)));
                    links.tasks.lock().unwrap().extend([answers.abort_handle(), commands.abort_handle()]);
                }
            }
        });
        Self { port, rule, links, task }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Drops commands that contain `word`, from now on.
    pub fn drop_matching(&self, word: &str) {
        *self.rule.word.lock().unwrap() = Some(word.to_owned());
    }

    /// Returns the number of dropped commands.
    pub fn dropped(&self) -> usize {
        self.rule.dropped.lock().unwrap().len()
    }

    /// Stops dropping, and sends the dropped commands late.
    pub async fn deliver_dropped(&self) {
        *self.rule.word.lock().unwrap() = None;
        let dropped = std::mem::take(&mut *self.rule.dropped.lock().unwrap());
        for (server, command) in dropped {
            // Writing fails if the client has disconnected.
            let _ = server.lock().await.write_all(&command).await;
        }
    }

    /// Breaks all connections. The dropped commands are lost, and no more are dropped.
    pub fn disconnect(&self) {
        *self.rule.word.lock().unwrap() = None;
        self.rule.dropped.lock().unwrap().clear();
        self.links.tasks.lock().unwrap().drain(..).for_each(|task| task.abort());
    }

    /// Breaks all connections, and accepts none until [`set_online`](Self::set_online).
    pub fn set_offline(&self) {
        self.links.is_offline.store(true, Ordering::SeqCst);
        self.disconnect();
    }

    /// Accepts connections again.
    pub fn set_online(&self) {
        self.links.is_offline.store(false, Ordering::SeqCst);
    }
}

impl Drop for LossyProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Forwards the commands of a client.
async fn forward(client: OwnedReadHalf, server: OwnedWriteHalf, rule: Arc<DropRule>) -> std::io::Result<()> {
    let (mut client, server) = (BufReader::new(client), Arc::new(Server::new(server)));
    let mut command = Vec::new();
    while client.read_until(b'\n', &mut command).await? > 0 {
        let begin = command.len();
        command.resize(begin + payload(&command), 0);
        client.read_exact(&mut command[begin..]).await?;
        let is_dropped = {
            let word = rule.word.lock().unwrap();
            let is_in = |word: &String| command.windows(word.len()).any(|part| part == word.as_bytes());
            word.as_ref().is_some_and(is_in)
        };
        if is_dropped {
            rule.dropped.lock().unwrap().push((Arc::clone(&server), command.clone()));
        } else {
            server.lock().await.write_all(&command).await?;
        }
        command.clear();
    }
    Ok(())
}

/// Returns how many bytes follow a line. The lines of messages end with the size of the payload.
fn payload(line: &[u8]) -> usize {
    let line = String::from_utf8_lossy(line);
    // The last two are sent by servers of a cluster.
    if !["PUB ", "HPUB ", "RMSG ", "HMSG "].iter().any(|command| line.starts_with(command)) {
        return 0;
    }
    let size = line.split_ascii_whitespace().next_back().and_then(|size| size.parse::<usize>().ok());
    size.expect("the line of a message ends with a size") + "\r\n".len()
}
