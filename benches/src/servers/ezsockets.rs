//! ezsockets, after its examples `echo-server`, `chat-server` (rooms) and `counter-server` (timers). Its
//! sessions have unbounded mailboxes.

use std::collections::HashMap;
use std::net::SocketAddr;

use async_trait::async_trait;
use ezsockets::tungstenite::{Acceptor, run_on};
use ezsockets::{Bytes, CloseFrame, Error, Request, Server, ServerExt, SessionExt, Socket, Utf8Bytes};

use super::{Mode, TICK, listen};

type Id = SocketAddr;
type Session = ezsockets::Session<Id, Call>;

/// Message to a session from the rest of the program.
enum Call {
    Tick,
    Note(u32),
}

struct Hub {
    mode: Mode,
    handle: Server<Self>,
    /// Members of the room.
    sessions: HashMap<Id, Session>,
}

#[async_trait]
impl ServerExt for Hub {
    type Session = Member;
    type Call = Utf8Bytes;

    async fn on_connect(
        &mut self,
        socket: Socket,
        _: Request,
        id: SocketAddr,
    ) -> Result<Session, Option<CloseFrame>> {
        let (mode, hub) = (self.mode, self.handle.clone());
        let member = |handle| Member::new(mode, id, hub, handle);
        let session = Session::create(member, id, socket);
        if mode == Mode::Fanout {
            self.sessions.insert(id, session.clone());
        }
        Ok(session)
    }

    async fn on_disconnect(&mut self, id: Id, _: Result<Option<CloseFrame>, Error>) -> Result<(), Error> {
        self.sessions.remove(&id);
        Ok(())
    }

    async fn on_call(&mut self, line: Utf8Bytes) -> Result<(), Error> {
        for session in self.sessions.values() {
            let _ = session.text(line.clone());
        }
        Ok(())
    }
}

struct Member {
    mode: Mode,
    id: Id,
    hub: Server<Hub>,
    handle: Session,
    count: u64,
    ticking: Option<tokio::task::JoinHandle<()>>,
}

impl Member {
    fn new(mode: Mode, id: Id, hub: Server<Hub>, handle: Session) -> Self {
        let session = handle.clone();
        let ticking = (mode == Mode::Timer).then(|| {
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(TICK).await;
                    if session.call(Call::Tick).is_err() {
                        return;
                    }
                }
            })
        });
        Self { mode, id, hub, handle, count: 0, ticking }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(task) = &self.ticking {
            task.abort();
        }
    }
}

#[async_trait]
impl SessionExt for Member {
    type ID = Id;
    type Call = Call;

    fn id(&self) -> &Id {
        &self.id
    }

    async fn on_text(&mut self, text: Utf8Bytes) -> Result<(), Error> {
        match self.mode {
            Mode::Fanout => self.hub.call(text)?,
            Mode::Timer => _ = self.handle.text(self.count.to_string())?,
            Mode::Info => {
                let (count, session) = (text.parse().unwrap_or(0), self.handle.clone());
                tokio::spawn(async move {
                    for left in (0..count).rev() {
                        let _ = session.call(Call::Note(left));
                    }
                });
            }
            _ => _ = self.handle.text(text)?,
        }
        Ok(())
    }

    async fn on_binary(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.handle.binary(bytes)?;
        Ok(())
    }

    async fn on_call(&mut self, call: Call) -> Result<(), Error> {
        self.count += 1;
        if let Call::Note(0) = call {
            self.handle.text(self.count.to_string())?;
        }
        Ok(())
    }
}

pub(super) async fn serve(mode: Mode, addr: &str) -> std::io::Result<()> {
    let (server, _) = Server::create(|handle| Hub { mode, handle, sessions: HashMap::new() });
    run_on(server, listen(addr).await?, Acceptor::Plain).await.map_err(std::io::Error::other)
}
