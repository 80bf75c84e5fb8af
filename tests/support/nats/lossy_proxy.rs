//! A proxy before a NATS server that drops commands.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::NatsServer;

/// A proxy that drops those commands of clients that contain a certain word.
///
/// To its clients, the proxy is a server that answers all other requests.
pub struct LossyProxy {
    port: u16,
    rule: Arc<DropRule>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct DropRule {
    word: Mutex<Option<String>>,
    dropped: Mutex<Vec<(Arc<Server>, Vec<u8>)>>,
}

/// The connection of one client to the server.
type Server = tokio::sync::Mutex<OwnedWriteHalf>;

impl LossyProxy {
    pub async fn start(nats: &NatsServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, upstream) = (listener.local_addr().unwrap().port(), nats.port);
        let rule = Arc::<DropRule>::default();
        let task = tokio::spawn({
            let rule = Arc::clone(&rule);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let server = TcpStream::connect(("127.0.0.1", upstream)).await.unwrap();
                    let ((mut down, up), (from_client, mut to_client)) =
                        (server.into_split(), client.into_split());
                    tokio::spawn(async move { tokio::io::copy(&mut down, &mut to_client).await });
                    tokio::spawn(forward(from_client, up, Arc::clone(&rule)));
                }
            }
        });
        Self { port, rule, task }
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

/// Returns how many bytes follow a line. The lines of `PUB` and `HPUB` end with the size of the payload.
fn payload(line: &[u8]) -> usize {
    let line = String::from_utf8_lossy(line);
    if !line.starts_with("PUB ") && !line.starts_with("HPUB ") {
        return 0;
    }
    let size = line.split_ascii_whitespace().next_back().and_then(|size| size.parse::<usize>().ok());
    size.expect("`PUB` and `HPUB` end with a size") + "\r\n".len()
}
