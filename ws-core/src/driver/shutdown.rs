//! Telling all connections that the server shuts down, and waiting for them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

use slab::Slab;
use tokio::sync::Notify;

/// The open connections of a server. It costs a connection one entry here and one relaxed load a
/// turn; a cancellation token would cost a list node in every task and a poll of it every turn.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    shutting_down: AtomicBool,
    open: AtomicUsize,
    wakers: Mutex<Wakers>,
    /// Told when the last connection has ended.
    empty: Notify,
}

#[derive(Debug, Default)]
struct Wakers {
    tasks: Slab<Option<Waker>>,
    /// When connections that shut down stop waiting for their methods.
    deadline: Option<Instant>,
}

impl Connections {
    /// Admits one more connection, unless there are `limit` already or the server shuts down.
    pub(crate) fn admit(self: &Arc<Self>, limit: usize) -> Option<Ticket> {
        let mut wakers = self.lock();
        if self.shutting_down.load(Ordering::Acquire) || self.open.load(Ordering::Acquire) >= limit {
            return None;
        }
        self.open.fetch_add(1, Ordering::AcqRel);
        let key = wakers.tasks.insert(None);
        drop(wakers);
        Some(Ticket { connections: Arc::clone(self), key })
    }

    /// Tells every connection to end; until `deadline` they may finish what they do.
    pub(crate) fn shut_down(&self, deadline: Instant) {
        let mut wakers = self.lock();
        wakers.deadline.get_or_insert(deadline);
        self.shutting_down.store(true, Ordering::Release);
        let tasks: Vec<Waker> = wakers.tasks.iter().filter_map(|(_, task)| task.clone()).collect();
        drop(wakers);
        tasks.into_iter().for_each(Waker::wake);
    }

    /// Waits until the last connection has ended.
    pub(crate) async fn ended(&self) {
        loop {
            let empty = self.empty.notified();
            if self.open.load(Ordering::Acquire) == 0 {
                return;
            }
            empty.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Wakers> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection among those of its server; dropped, it is free.
#[derive(Debug)]
pub(crate) struct Ticket {
    connections: Arc<Connections>,
    key: usize,
}

impl Ticket {
    pub(crate) fn register(&self, waker: &Waker) {
        if let Some(task) = self.connections.lock().tasks.get_mut(self.key) {
            *task = Some(waker.clone());
        }
    }

    /// When the server shuts down: until when methods may go on.
    pub(crate) fn shutting_down(&self) -> Option<Instant> {
        if self.connections.shutting_down.load(Ordering::Acquire) {
            self.connections.lock().deadline
        } else {
            None
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.connections.lock().tasks.try_remove(self.key);
        if self.connections.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.connections.empty.notify_waiters();
        }
    }
}
