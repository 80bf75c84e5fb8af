//! The command `interactive`: a prompt that knows the contract.

mod command;
mod completion;
mod console;
mod lines;
mod session;

use ws_core::client::{Backoff, Disconnect, DisconnectCause, Reconnect};

use crate::args::ServerArguments;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::target::Target;
use completion::Words;
use console::Console;
use session::Session;

/// Connects, and reads commands until the end of the input.
pub(crate) async fn run(server: &ServerArguments) -> Result<(), Failure> {
    let target = Target::load(server).await?;
    let connection = connect(&target, server).await?;
    let prompt = format!("{}> ", crate::text::plain(&target.handler.name));
    let console = Console::start(Words::new(&target.handler), prompt)?;
    Session::new(target, server, connection, console).run().await
}

/// Opens a connection, which reconnects when it is lost. The first attempt is not repeated.
async fn connect(target: &Target, server: &ServerArguments) -> Result<Connection, Failure> {
    let (mut backoff, mut was_open) = (Backoff::default(), false);
    let policy = move |disconnect: &Disconnect<'_>| {
        was_open |= matches!(disconnect.cause, DisconnectCause::Closed(_));
        backoff.reconnect(disconnect).filter(|_| was_open)
    };
    let mut connection = Connection::start(target, server, policy)?;
    connection.open(&target.url).await?;
    Ok(connection)
}
