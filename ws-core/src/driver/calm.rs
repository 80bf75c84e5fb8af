//! A round in which nothing but the socket has something, as most are. By itself, so that it is short:
//! what else there may be is looked for in [`super::turn`].

use std::task::{Context as Task, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::links::Links;
use super::pace::{is_spent, unhindered, unhindered_if_spent};
use super::port::Port;
use super::scratch::Scratch;
use crate::context::Session;
use crate::handler::Handler;

/// What a round has found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// So many bytes of input, which are to be handled.
    Input(usize),
    /// Something that makes another round.
    More,
    /// Nothing, and what waited is written: the turn is over.
    Nothing,
}

/// Reads, or writes if there is nothing to read. `None` if there is something else to do, which is
/// found out with one look.
#[inline(always)]
pub(super) fn round<H, T>(
    task: &mut Task<'_>,
    session: &mut Session<H>,
    port: &mut Port<T>,
    links: &mut Links,
    scratch: &mut Scratch,
) -> Option<Found>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    if !is_calm(session, links) {
        return None;
    }
    let wire = &mut session.wire;
    match unhindered_if_spent::<H, _>(task, |task| port.poll_read_calm(task, wire, scratch)) {
        Poll::Ready(Some(len)) => return Some(Found::Input(len)),
        Poll::Ready(None) => return Some(Found::More),
        Poll::Pending => {}
    }
    end_turn(task, session, port, scratch);
    // Whatever else has come meanwhile has woken the task.
    if session.wire.is_open() && !links.set_calm_clock(task, session) {
        return Some(Found::Nothing);
    }
    scratch.lend_to(&mut session.wire);
    links.pace.next_round();
    Some(Found::More)
}

/// Whether nothing is to be done but to read from the socket, and to write to it what that brings.
#[inline(always)]
fn is_calm<H: Handler>(session: &Session<H>, links: &Links) -> bool {
    session.wire.is_fast_path()
        && links.is_calm()
        && !session.has_messages()
        && (session.timers.is_empty() || !session.has_due_timer(session.wire.last_received_at()))
}

/// Writes, also if a method has used up the budget.
#[inline(always)]
pub(super) fn end_turn<H, T>(
    task: &mut Task<'_>,
    session: &mut Session<H>,
    port: &mut Port<T>,
    scratch: &mut Scratch,
) where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    if is_spent::<H>() {
        let _ = unhindered(task, |task| {
            port.end_turn(task, &mut session.wire, scratch);
            Poll::Ready(())
        });
    } else {
        port.end_turn(task, &mut session.wire, scratch);
    }
}
