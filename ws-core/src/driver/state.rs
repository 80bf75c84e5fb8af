//! The state of a connection's task beside the handler instance.

use std::any::type_name;
use std::task::Context as TaskContext;
use std::time::Instant;

use super::budget::IterationBudget;
use super::io::ConnectionIo;
use crate::clock::{IO_PASSES, STANDSTILL, now, wake_after_io};
use crate::connections::ConnectionKind;
use crate::context::{Session, SharedSession};
use crate::handler::Handler;
use crate::transport::{Armed, DeadlineTimer, Transport};
use crate::wire::Connection;

/// The part of a connection's task beside the handler instance. The parts are in a struct, because
/// every future that the task awaits contains its address.
pub(super) struct Driver<H: Handler, T: Transport> {
    pub(super) io: ConnectionIo<T>,
    pub(super) state: DriverState<T>,
    pub(super) shared: SharedSession<H>,
}

/// The timer, the budget and the progress of a connection's task.
pub(super) struct DriverState<T: Transport> {
    timer: T::Timer,
    /// Whether a deadline has passed: the timer has fired, or a timer of the handler was found to be due earlier.
    pub(super) is_due: bool,
    pub(super) budget: IterationBudget,
    pub(super) method: MethodPhase,
    /// How far the time limit that has passed is from being final.
    pub(super) confirmation: Confirmation,
}

/// The way in which the next async method is polled, and what cancels it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum MethodPhase {
    /// The method has not been polled. It is cancelled when a time limit has passed, or when TCP has ended. After
    /// a close by the handler ([`CloseReason::Stop`]), only the deadline of a shutdown cancels a method.
    #[default]
    Unpolled,
    /// Like `Unpolled`, but the method has already been polled in this poll of the task.
    Polled,
    /// The method is `#[on_close]`, which runs to its end.
    OnClose,
}

/// The number of passes of the I/O driver since a time limit of the connection has passed. Before the limit is
/// final, the socket is read once more: its bytes may have arrived while the process stood still.
///
/// The highest bit is set while the task waits for the next pass. One byte, because every connection has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Confirmation(u8);

impl Confirmation {
    const WAITING: u8 = 0x80;

    fn is_waiting(self) -> bool {
        self.0 & Self::WAITING != 0
    }

    /// Starts another pass. Returns false if there have been enough.
    fn start_pass(&mut self) -> bool {
        let is_allowed = self.0 < IO_PASSES;
        if is_allowed {
            self.0 = (self.0 + 1) | Self::WAITING;
        }
        is_allowed
    }

    fn end_pass(&mut self) {
        self.0 &= !Self::WAITING;
    }
}

impl<T: Transport> DriverState<T> {
    pub(super) fn new(stream: &T) -> Self {
        Self {
            timer: T::Timer::new(stream),
            is_due: false,
            budget: IterationBudget::default(),
            method: MethodPhase::default(),
            confirmation: Confirmation::default(),
        }
    }

    /// Returns whether no deadline is due.
    // PERF: part of the check of every iteration. budget: text64
    #[inline(always)]
    pub(super) fn has_no_due_deadline(&self) -> bool {
        !self.is_due
    }

    /// Begins a poll of the task, which reads the socket before it checks time limits.
    #[inline]
    pub(super) fn begin_poll(&mut self) {
        self.confirmation.end_pass();
    }

    /// Returns whether a time limit of the connection has passed and is final: the I/O driver has run since, and
    /// the socket has no bytes that would move the limit. Otherwise the task is woken to check again.
    pub(super) fn is_timeout_final(
        &mut self,
        task: &mut TaskContext<'_>,
        wire: &mut Connection,
        io: &ConnectionIo<T>,
        now: Instant,
    ) -> bool {
        if !wire.is_due(now) {
            self.confirmation = Confirmation::default();
            return false;
        }
        if self.confirmation.is_waiting() {
            return false;
        }
        if self.confirmation.start_pass() {
            wake_after_io(task);
            return false;
        }
        self.confirmation = Confirmation::default();
        if wire.wants_input()
            && let Some(stream) = &io.stream
            && stream.has_unread_input().unwrap_or_else(|| is_late(wire, now))
        {
            wire.on_unread_input(now);
        }
        wire.is_due(now)
    }

    /// Arms the timer for a time limit of the connection. Returns true if the limit has passed and its check is
    /// not under way.
    pub(super) fn poll_deadline(
        &mut self,
        task: &mut TaskContext<'_>,
        wire: &mut Connection,
        deadline: Option<Instant>,
    ) -> bool {
        let deadline = deadline.filter(|_| !self.confirmation.is_waiting());
        self.poll_next_deadline(task, wire, deadline)
    }

    /// Arms the timer for `deadline`. Returns true if the deadline has passed.
    fn poll_next_deadline(
        &mut self,
        task: &mut TaskContext<'_>,
        wire: &mut Connection,
        deadline: Option<Instant>,
    ) -> bool {
        let armed = deadline.map_or(Armed::Already, |deadline| self.timer.poll_deadline(task, deadline));
        if armed != Armed::Already {
            wire.on_idle_timer_lost();
        }
        if armed == Armed::Anew && !self.confirmation.is_waiting() {
            self.confirmation = Confirmation::default();
        }
        armed == Armed::Passed
    }

    /// Arms the timer for the next deadline of the connection or of its handler.
    #[inline(never)]
    pub(super) fn arm_timer<H: Handler>(&mut self, task: &mut TaskContext<'_>, session: &mut Session<H>) {
        let wire = session.wire.deadline(now).filter(|_| !self.confirmation.is_waiting());
        let next = wire.into_iter().chain(session.next_timer()).min();
        if self.poll_next_deadline(task, &mut session.wire, next) {
            self.is_due = true;
        }
    }

    /// Like [`arm_timer`](Self::arm_timer), but for the fast path. Returns true if a deadline has passed.
    // PERF: most connections have no deadline but the idle timeout, which input only postpones. An armed
    // timer covers that without reading the clock. budget: text64
    // General path: `arm_timer`. Test that holds the two equal: `driver/tests/fast_path.rs`.
    #[inline(always)]
    pub(super) fn arm_timer_fast<H: Handler>(
        &mut self,
        task: &mut TaskContext<'_>,
        session: &mut Session<H>,
    ) -> bool {
        let is_armed =
            session.wire.has_only_idle_timeout() && !self.timer.is_elapsed() && session.timers.is_empty();
        debug_assert!(
            !is_armed || session.wire.deadline(now).is_none_or(|idle| self.timer.is_armed_for(idle))
        );
        !is_armed && self.arm_idle_timer(task, session)
    }

    #[inline(never)]
    fn arm_idle_timer<H: Handler>(&mut self, task: &mut TaskContext<'_>, session: &mut Session<H>) -> bool {
        self.arm_timer(task, session);
        if session.timers.is_empty() && !session.wire.has_extra_deadlines() {
            let timeout = session.wire.deadline(now);
            if timeout.is_none_or(|timeout| self.timer.fires_by(timeout)) {
                session.wire.on_idle_timer_armed();
            }
        }
        self.is_due
    }

    /// Notes that the handler's timers up to now are due. The timer itself may not have fired yet.
    pub(super) fn note_due_timers<H: Handler>(&mut self, session: &Session<H>) {
        if session.timers.is_empty() {
            return;
        }
        self.is_due |= session.has_due_timer(now());
    }

    /// Returns whether the deadline of a shutdown has passed. Otherwise the timer is armed for that deadline.
    pub(super) fn shutdown_deadline_passed<H: Handler>(
        &mut self,
        task: &mut TaskContext<'_>,
        session: &Session<H>,
    ) -> bool {
        // The connection is closing and has no idle timeout, so its idle timer need not be marked as lost.
        session
            .shutdown_deadline()
            .is_some_and(|deadline| self.timer.poll_deadline(task, deadline) == Armed::Passed)
    }

    /// Registers the task's waker with everything that wakes the connection, if the waker has changed. Returns
    /// whether it has. The waker of a spawned task stays the same.
    // PERF: called in every poll. budget: text64
    #[inline(always)]
    pub(super) fn register<H: Handler>(&mut self, task: &TaskContext<'_>, session: &mut Session<H>) -> bool {
        let has_changed = !session.will_wake(task.waker());
        if has_changed {
            self.replace_waker(task, session);
        }
        has_changed
    }

    #[cold]
    fn replace_waker<H: Handler>(&mut self, task: &TaskContext<'_>, session: &mut Session<H>) {
        self.timer.disarm();
        session.wire.on_idle_timer_lost();
        session.set_waker(task.waker());
        if let Some(permit) = &session.permit {
            // At the first poll nothing has been read, so that this is the time at which the connection was made.
            let opened = session.wire.last_received_at();
            let kind = &const { ConnectionKind { handler: type_name::<H>, is_session: T::IS_SESSION } };
            permit.register_connection(task.waker(), kind, opened);
        }
    }
}

/// Returns whether the process stood still at the deadline of the connection. Input that the stream cannot report
/// may then have arrived.
fn is_late(wire: &mut Connection, now: Instant) -> bool {
    wire.deadline(|| now).is_some_and(|deadline| now.saturating_duration_since(deadline) >= STANDSTILL)
}
