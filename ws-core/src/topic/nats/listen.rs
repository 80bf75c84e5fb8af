//! What other processes publish.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_nats::{Client, Error, Message, Subject};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::backlog::Backlog;
use super::stamp::{About, Heard, Lines, Stamp};
use super::stream::{Following, Histories, ask, epoch};
use super::{PATIENCE, round_trip};
use crate::topic::broker::{RemoteMessage, RemoteEvents};
use crate::topic::position::Position;

/// Before it is tried again.
pub(super) const RETRY: Duration = Duration::from_millis(250);

/// So many messages are handed on before others have a turn.
const TURN: usize = 64;

/// A task that hears one subject.
pub(super) struct Ear {
    pub(super) inlet: Weak<dyn RemoteEvents>,
    pub(super) hearing: u64,
    pub(super) node: u64,
    /// Told when the broker knows of it.
    pub(super) tell: watch::Sender<bool>,
}

impl Ear {
    /// Hears what nobody keeps.
    pub(super) async fn hear(
        self,
        client: Client,
        subject: Subject,
        reconnects: watch::Receiver<u64>,
        backlog: Arc<Backlog>,
    ) {
        // It fails when the client has ended.
        let Ok(mut subscription) = client.subscribe(subject).await else { return };
        let mut asked = std::pin::pin!(round_trip(&client).fuse());
        // Those who wait for the answer do so until then.
        let due = Instant::now() + PATIENCE;
        let mut lines = Lines::default();
        // How many came without a pause.
        let mut run = 0;
        loop {
            // Not the runtime's budget decides whether there is a pause.
            let next = tokio::task::unconstrained(subscription.next()).now_or_never();
            let message = match next {
                Some(message) => message,
                None => {
                    if backlog.pause(run) {
                        self.lagged(0);
                    }
                    run = 0;
                    tokio::select! {
                        message = subscription.next() => message,
                        () = &mut asked => {
                            // The connection was lost meanwhile, or there was none at first.
                            let was_lost = reconnects.has_changed().is_ok_and(|changed| changed);
                            if was_lost || Instant::now() >= due {
                                self.lagged(0);
                            }
                            self.tell.send_replace(true);
                            continue;
                        }
                    }
                }
            };
            let Some(message) = message else { return };
            run += 1;
            if run % TURN == 0 {
                tokio::task::yield_now().await;
            }
            if let Some(stamp) = self.heard(&mut lines, &message) {
                // One of our own would have been heard already.
                if stamp.about != About::Mark && stamp.node != self.node {
                    self.arrived(message, stamp, None);
                }
            }
        }
    }

    /// Hears what the broker keeps.
    pub(super) async fn follow(
        self,
        histories: Arc<Histories>,
        subject: Subject,
        mut reconnects: watch::Receiver<u64>,
    ) {
        let (mut lines, mut at) = (Lines::default(), None);
        // Those who wait for it to begin do so until then.
        let mut due = Instant::now() + PATIENCE;
        loop {
            reconnects.mark_unchanged();
            let followed = tokio::select! {
                followed = self.go_on(&histories, &subject, &mut lines, &mut at, due) => followed,
                // At once, instead of when the consumer finds out.
                changed = reconnects.changed() => match changed {
                    Ok(()) => {
                        due = Instant::now();
                        continue;
                    }
                    // The hub is gone.
                    Err(_) => return,
                },
            };
            if let Err(error) = followed {
                tracing::warn!(%error, subject = &*subject, "the history of a topic cannot be followed");
                histories.forget();
                due = Instant::now();
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Hears what comes behind `at`, or from now on, which is told if it is later than it was due.
    async fn go_on(
        &self,
        histories: &Histories,
        subject: &Subject,
        lines: &mut Lines,
        at: &mut Option<Place>,
        due: Instant,
    ) -> Result<(), Error> {
        let (mut messages, mut place) = {
            let _turn = histories.beginners.acquire().await;
            timeout(2 * PATIENCE, self.begin(histories, subject, lines, at, due)).await??
        };
        self.tell.send_replace(true);
        // The last that was heard is heard again, if it is still there. If it is not, others may have
        // gone with it.
        let mut is_unproven = place.is_message;
        loop {
            let message = messages.next().await?;
            let offset = message.info()?.stream_sequence;
            let message = message.message;
            if is_unproven && offset >= place.offset {
                is_unproven = false;
                if offset > place.offset {
                    self.lagged(0);
                }
            }
            if offset <= place.offset {
                continue;
            }
            place = Place { offset, is_message: true, ..place };
            *at = Some(place);
            if let Some(stamp) = self.heard(lines, &message)
                && stamp.about != About::Mark
            {
                self.arrived(message, stamp, Some(Position { epoch: place.epoch, offset }));
            }
        }
    }

    /// What comes behind `at`, and where that is now.
    async fn begin(
        &self,
        histories: &Histories,
        subject: &Subject,
        lines: &mut Lines,
        at: &mut Option<Place>,
        due: Instant,
    ) -> Result<(Following, Place), Error> {
        let stream = histories.stream().await?;
        let info = ask(|| stream.get_info()).await?;
        let (epoch, last) = (epoch(&info), info.state.last_sequence);
        let place = match *at {
            None => {
                if Instant::now() >= due {
                    self.lagged(0);
                }
                Place { epoch, offset: last, is_message: false }
            }
            Some(place) if place.epoch == epoch && place.offset <= last => {
                // Without a message there, it is only known that nothing is gone if nothing at all is.
                if !place.is_message && info.state.first_sequence > place.offset + 1 {
                    self.lagged(0);
                }
                place
            }
            // Another history. All of it is new.
            Some(_) => {
                self.lagged(0);
                *lines = Lines::default();
                Place { epoch, offset: 0, is_message: false }
            }
        };
        *at = Some(place);
        let from = if place.is_message { place.offset } else { place.offset + 1 };
        let (messages, _) = Following::begin(&stream, subject, from).await?;
        Ok((messages, place))
    }

    /// Whose it is, unless it has been heard before. Tells what was lost before it.
    fn heard(&self, lines: &mut Lines, message: &Message) -> Option<Stamp> {
        let Some(stamp) = Stamp::of(message.headers.as_ref()) else {
            tracing::debug!(subject = &*message.subject, "a message that is none of ours");
            return None;
        };
        match lines.hear(&stamp) {
            Heard::Before => return None,
            Heard::After(None) => {}
            Heard::After(Some(missed)) => self.lagged(missed),
        }
        Some(stamp)
    }

    fn arrived(&self, message: Message, stamp: Stamp, position: Option<Position>) {
        let Some(inlet) = self.inlet.upgrade() else { return };
        let arrival = arrival(message, stamp, self.node, position);
        // What is dropped there is the user's. Others, who come after it, are to be heard.
        if catch_unwind(AssertUnwindSafe(|| inlet.message_received(self.hearing, arrival))).is_err() {
            tracing::error!("a published value has panicked when it was dropped");
        }
    }

    fn lagged(&self, missed: u64) {
        if let Some(inlet) = self.inlet.upgrade() {
            inlet.lagged(self.hearing, missed);
        }
    }
}

/// How far a history was heard.
#[derive(Clone, Copy)]
struct Place {
    epoch: u64,
    offset: u64,
    /// Whether a message of the topic stands there.
    is_message: bool,
}

/// A message as the topic takes it.
pub(super) fn arrival(message: Message, stamp: Stamp, node: u64, position: Option<Position>) -> RemoteMessage {
    let except = match stamp.about {
        About::Others(connection) if stamp.node == node => Some(connection),
        _ => None,
    };
    RemoteMessage { payload: message.payload, position, except }
}
