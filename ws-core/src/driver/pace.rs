//! How much a connection does before others get their turn.

/// Reads, and rounds of mail, in a turn.
const ROUNDS: u32 = 16;

/// Messages of the mailbox in a round.
const MAIL: u32 = 64;

/// Counts what a turn has done, over the async methods that it ran: one that never waits must not
/// keep the thread, nor mail the socket from being read.
pub(super) struct Pace {
    rounds: u32,
    mail: u32,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { rounds: ROUNDS, mail: MAIL }
    }

    /// Whether the turn may go on.
    pub(super) fn goes_on(&self) -> bool {
        self.rounds > 0
    }

    /// The socket has been looked at.
    pub(super) fn next_round(&mut self) {
        self.rounds = self.rounds.saturating_sub(1);
        self.mail = MAIL;
    }

    /// Whether one more message may be taken from the mailbox in this round.
    pub(super) fn takes_mail(&mut self) -> bool {
        let takes = self.mail > 0;
        self.mail = self.mail.saturating_sub(1);
        takes
    }

    /// The turn is over.
    pub(super) fn rest(&mut self) {
        *self = Self::new();
    }
}
