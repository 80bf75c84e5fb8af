//! What the server refuses: commands without permission, subscriptions beyond a limit, a login.
//!
//! The server answers a refused command with an error of the connection, which names the subject of the
//! command at most. The client passes the errors to another task, and drops those beyond 128 that wait. So an
//! error only explains why something failed: that a subscription exists is proven by a message that arrives
//! (`nats/subscriber`).

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_nats::{Client, ClientError, Error, ServerError};
use tokio::sync::watch;

use super::request::{PROBE_SUBJECT, round_trip};
use crate::error::BrokerError;
use crate::sync::lock;

/// Maximum number of refused subjects that a hub remembers. Further ones explain no failure.
const MAX_SUBJECTS: usize = 1024;

/// Maximum length of a remembered error in bytes.
const MAX_TEXT: usize = 1024;

/// The errors of the current connection.
#[derive(Default)]
pub(super) struct Refusals {
    log: Mutex<RefusedCommands>,
    /// Notifies of every new error.
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct RefusedCommands {
    /// By the subject of the command: the server's error.
    by_subject: HashMap<String, Arc<str>>,
    /// Number of subscriptions refused because of a limit; the server does not name their subjects.
    over_limit: u64,
    /// The first refused message since the last flush.
    publish: Option<Arc<str>>,
    /// Subjects of marks that a history does not store. A refused mark is not a refused message.
    marks: HashSet<String>,
    /// Why the server rejects the login, while there is no connection.
    login: Option<Arc<str>>,
    /// Errors that were logged.
    logged: HashSet<Arc<str>>,
}

/// An error of the server, by what it is about.
#[derive(Debug, PartialEq, Eq)]
enum RefusedCommand<'t> {
    Publish(&'t str),
    Subscription(&'t str),
    SubscriptionLimit,
    Other,
}

impl<'t> RefusedCommand<'t> {
    /// Parses the text of a `-ERR`, of which some versions write the words in lower case.
    fn parse(text: &'t str) -> Self {
        let lower = text.to_ascii_lowercase();
        let subject = text.split('"').nth(1);
        match subject {
            Some(subject) if lower.starts_with("permissions violation for publish") => Self::Publish(subject),
            Some(subject) if lower.starts_with("permissions violation for subscription") => {
                Self::Subscription(subject)
            }
            _ if lower.starts_with("maximum subscriptions") => Self::SubscriptionLimit,
            _ => Self::Other,
        }
    }
}

impl Refusals {
    /// Records an error of the server, and logs it unless it was logged before.
    pub(super) fn on_server_error(&self, error: &ServerError) {
        let text = match error {
            ServerError::Other(text) => text.clone(),
            error => error.to_string(),
        };
        let text: Arc<str> = truncate(&text).into();
        let mut log = self.lock();
        let (subject, help) = match RefusedCommand::parse(&text) {
            RefusedCommand::Publish(subject) => {
                if subject.starts_with("ws.t.") && !log.marks.contains(subject) {
                    log.publish.get_or_insert_with(|| Arc::clone(&text));
                }
                (Some(subject), "allow the user to publish to the subject")
            }
            RefusedCommand::Subscription(subject) => {
                (Some(subject), "allow the user to subscribe to the subject")
            }
            RefusedCommand::SubscriptionLimit => {
                log.over_limit += 1;
                (None, "raise `max_subscriptions`: a topic takes one, and one with a history another")
            }
            RefusedCommand::Other => (None, "see the log of the server"),
        };
        if log.logged.len() < MAX_SUBJECTS && log.logged.insert(Arc::clone(&text)) {
            tracing::warn!(
                subject = subject.unwrap_or_default(),
                error = &*text,
                help,
                "the broker refuses a command"
            );
        }
        if let Some(subject) = subject
            && (log.by_subject.len() < MAX_SUBJECTS || log.by_subject.contains_key(subject))
        {
            let earlier = log.by_subject.insert(subject.to_owned(), Arc::clone(&text));
            drop(log);
            // Repeated errors, of every message without permission, wake no task.
            if earlier.is_none_or(|earlier| earlier != text) {
                self.changed.send_replace(());
            }
        }
    }

    /// Records why a connection failed, if the server rejects the login.
    pub(super) fn on_client_error(&self, error: &ClientError) {
        let text = error.to_string();
        if !text.contains("authorization violation") && !text.contains("failed signing nonce") {
            return;
        }
        let text: Arc<str> = truncate(&text).into();
        let mut log = self.lock();
        if log.logged.len() < MAX_SUBJECTS && log.logged.insert(Arc::clone(&text)) {
            let help = "the connection is restored when the server accepts the login again";
            tracing::warn!(error = &*text, help, "the broker rejects the login");
        }
        log.login = Some(text);
    }

    /// Forgets the errors of the previous connection: the server may have other limits now.
    pub(super) fn on_connected(&self) {
        let mut log = self.lock();
        log.by_subject.clear();
        log.login = None;
    }

    /// Returns the error about a subject that `concerns` selects.
    pub(super) fn find(&self, concerns: impl Fn(&str) -> bool) -> Option<Arc<str>> {
        let log = self.lock();
        log.by_subject.iter().find(|(subject, _)| concerns(subject)).map(|(_, text)| Arc::clone(text))
    }

    /// Forgets errors before a command is sent again, because a permission may have been granted.
    pub(super) fn forget(&self, concerns: impl Fn(&str) -> bool) {
        self.lock().by_subject.retain(|subject, _| !concerns(subject));
    }

    /// Waits for an error about a subject that `concerns` selects.
    pub(super) async fn wait(&self, concerns: impl Fn(&str) -> bool) -> Arc<str> {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            if let Some(text) = self.find(&concerns) {
                return text;
            }
            // Waiting fails if the sender is dropped, and this reference holds it.
            let _ = changed.changed().await;
        }
    }

    /// Expects marks, not messages, to be sent to a subject.
    pub(super) fn expect_marks(&self, subject: &str) {
        let mut log = self.lock();
        if log.marks.len() < MAX_SUBJECTS {
            log.marks.insert(subject.to_owned());
        }
    }

    /// Records the error of a message of a history.
    pub(super) fn on_refused_publish(&self, error: &RefusedPublish) {
        self.lock().publish.get_or_insert_with(|| Arc::clone(&error.0));
    }

    /// Returns the error of a message that the server refused since the last call.
    pub(super) fn take_publish(&self) -> Option<BrokerError> {
        self.lock().publish.take().map(|text| refused(&text))
    }

    /// Returns why there is no connection: a rejected login, or [`BrokerError::Disconnected`].
    pub(super) fn disconnected(&self) -> BrokerError {
        self.lock().login.as_deref().map_or(BrokerError::Disconnected, refused)
    }

    /// Waits until the server has processed all commands that the client sent before.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Refused`] if the client may not send the request or receive its answer,
    /// [`BrokerError::TimedOut`] if the server does not answer or the connection is lost.
    pub(super) async fn round_trip(&self, client: &Client) -> Result<(), BrokerError> {
        let inbox = inbox_prefix(client);
        let concerns = |subject: &str| subject == PROBE_SUBJECT || subject.starts_with(&inbox);
        self.forget(concerns);
        tokio::select! {
            text = self.wait(concerns) => Err(refused(&text)),
            answered = round_trip(client) => if answered { Ok(()) } else { Err(BrokerError::TimedOut) },
        }
    }

    /// Runs an operation that subscribes. Fails if the server has meanwhile refused a subscription because of
    /// a limit, which may be that one.
    pub(super) async fn within_limit<T>(
        &self,
        client: &Client,
        operation: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let before = self.lock().over_limit;
        let done = operation.await?;
        // Errors are handled by another task, which runs during the second round trip at the latest.
        let _ = (self.round_trip(client).await, self.round_trip(client).await);
        if self.lock().over_limit != before {
            return Err(Box::new(OverLimit));
        }
        Ok(done)
    }

    fn lock(&self) -> MutexGuard<'_, RefusedCommands> {
        lock(&self.log)
    }
}

/// The error of a subscription beyond the limit of the server.
#[derive(Debug)]
pub(super) struct OverLimit;

impl std::fmt::Display for OverLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server refuses the subscription: `max_subscriptions` of the connection is exceeded")
    }
}

impl std::error::Error for OverLimit {}

/// The error of a message of a history that this process may not publish.
#[derive(Debug)]
pub(super) struct RefusedPublish(pub(super) Arc<str>);

impl std::fmt::Display for RefusedPublish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RefusedPublish {}

/// Returns the error for a caller.
pub(super) fn refused(text: &str) -> BrokerError {
    BrokerError::Refused(text.into())
}

/// Returns what precedes the random part of the subjects to which the server answers.
pub(super) fn inbox_prefix(client: &Client) -> String {
    let inbox = client.new_inbox();
    inbox.rsplit_once('.').map_or(inbox.as_str(), |(prefix, _)| prefix).to_owned()
}

/// Returns whether a refused subject belongs to requests about a stream. Consumers that cannot be deleted
/// expire.
pub(super) fn is_request_about(subject: &str, stream: &str) -> bool {
    subject.starts_with("$JS.API.")
        && !subject.starts_with("$JS.API.CONSUMER.DELETE.")
        && subject.split('.').any(|part| part == stream)
}

fn truncate(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn error(text: &str) -> ServerError {
        ServerError::Other(text.to_owned())
    }

    #[test]
    fn errors_are_matched_to_their_subject() {
        let check = |text: &str, expect: RefusedCommand<'_>| {
            assert_eq!(RefusedCommand::parse(text), expect, "{text}")
        };
        check(r#"Permissions Violation for Publish to "ws.t.a""#, RefusedCommand::Publish("ws.t.a"));
        check(
            r#"Permissions Violation for Subscription to "ws.t.a""#,
            RefusedCommand::Subscription("ws.t.a"),
        );
        let with_sid = r#"Permissions Violation for Subscription to "a" (sid "7")"#;
        check(with_sid, RefusedCommand::Subscription("a"));
        let queue = r#"permissions violation for subscription to "a" using queue "b""#;
        check(queue, RefusedCommand::Subscription("a"));
        check("maximum subscriptions exceeded", RefusedCommand::SubscriptionLimit);
        for other in ["", "\"", "Permissions Violation for Publish to", "Slow Consumer", "Stale Connection"] {
            check(other, RefusedCommand::Other);
        }
    }

    #[test]
    fn waiters_get_the_error_of_their_subject() {
        let refusals = Refusals::default();
        refusals.on_server_error(&error(r#"Permissions Violation for Subscription to "ws.t.a""#));
        assert!(refusals.wait(|subject| subject == "ws.t.b").now_or_never().is_none());
        let text = refusals.wait(|subject| subject == "ws.t.a").now_or_never().unwrap();
        assert!(text.contains("ws.t.a"));
        assert!(refusals.take_publish().is_none());
        let changed = refusals.changed.subscribe();
        refusals.on_server_error(&error(r#"Permissions Violation for Subscription to "ws.t.a""#));
        assert!(!changed.has_changed().unwrap(), "a repeated error wakes no task");
        refusals.forget(|subject| subject == "ws.t.a");
        let mut waiting = std::pin::pin!(refusals.wait(|subject| subject == "ws.t.a"));
        assert!(waiting.as_mut().now_or_never().is_none());
        refusals.on_server_error(&error(r#"Permissions Violation for Publish to "ws.t.a""#));
        assert!(waiting.now_or_never().is_some());
        // A flush reports an error once.
        assert!(matches!(refusals.take_publish(), Some(BrokerError::Refused(_))));
        assert!(refusals.take_publish().is_none());
        // Marks are repeated, and are not messages.
        refusals.expect_marks("ws.t.a");
        for subject in ["ws.t.a", "ws.h.8_300.a"] {
            refusals.on_server_error(&error(&format!("Permissions Violation for Publish to \"{subject}\"")));
        }
        assert!(refusals.take_publish().is_none());
        refusals.on_refused_publish(&RefusedPublish("refused".into()));
        assert!(matches!(refusals.take_publish(), Some(BrokerError::Refused(_))));
    }

    #[test]
    fn memory_is_bounded() {
        let refusals = Refusals::default();
        for number in 0..2 * MAX_SUBJECTS {
            let subject = format!("{number}{}", "é".repeat(MAX_TEXT));
            refusals.on_server_error(&error(&format!("Permissions Violation for Publish to \"{subject}\"")));
            refusals.expect_marks(&subject);
        }
        let log = refusals.lock();
        assert_eq!((log.by_subject.len(), log.logged.len()), (MAX_SUBJECTS, MAX_SUBJECTS));
        assert_eq!(log.marks.len(), MAX_SUBJECTS);
        assert!(log.by_subject.iter().all(|(subject, text)| subject.len().max(text.len()) <= MAX_TEXT));
    }

    #[test]
    fn rejected_login_explains_a_missing_connection() {
        let refusals = Refusals::default();
        let fail = |text: &str| refusals.on_client_error(&ClientError::Other(text.to_owned()));
        fail("IO error");
        assert!(matches!(refusals.disconnected(), BrokerError::Disconnected));
        fail("authorization violation: nats: authorization violation");
        assert!(matches!(refusals.disconnected(), BrokerError::Refused(_)));
        refusals.on_connected();
        assert!(matches!(refusals.disconnected(), BrokerError::Disconnected));
    }

    #[test]
    fn requests_are_matched_to_their_stream() {
        let check = |subject: &str| is_request_about(subject, "WS_HISTORY_8_300");
        assert!(check("$JS.API.STREAM.INFO.WS_HISTORY_8_300"));
        assert!(check("$JS.API.CONSUMER.MSG.NEXT.WS_HISTORY_8_300.x"));
        assert!(!check("$JS.API.STREAM.INFO.WS_HISTORY_8_3000"));
        assert!(!check("$JS.API.CONSUMER.DELETE.WS_HISTORY_8_300.x"));
    }
}
