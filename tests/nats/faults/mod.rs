//! Faults that lose messages. Each scenario accounts for every message: a subscriber receives it once, or
//! the loss is reported to the subscriber.

use tests::nats::LossyProxy;

use super::*;

mod away;
mod close;
mod failover;
mod first_messages;
mod lost_tail;
mod operator;
mod other_processes;
mod refusals;
mod short_lived_handles;

/// How long a scenario waits for messages and reports that do not come.
const PATIENCE: Duration = Duration::from_secs(25);

/// How long a scenario waits for surplus messages after everything is accounted for.
const AFTERMATH: Duration = Duration::from_millis(700);

/// Returns messages of one publisher.
fn numbered(publisher: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{publisher}:{number}")).collect()
}

/// Publishes messages; each is repeated until the hub accepts it.
async fn publish_all(room: &Topic<String>, lines: &[String]) {
    for line in lines {
        wait_until(async || match room.publish(line.clone()) {
            Ok(_) => true,
            Err(PublishError::Disconnected | PublishError::Full) => false,
            Err(error) => panic!("{error}"),
        })
        .await;
    }
}

/// Breaks a proxy's connections, and waits until one of its clients has connected again.
async fn reconnect(proxy: &LossyProxy, nats: &NatsServer) {
    let before = nats.connections_so_far().await;
    proxy.disconnect();
    wait_until(async || nats.connections_so_far().await > before).await;
}

/// Stores a message of another topic in the same stream, so that the stream's first message always remains.
async fn publish_elsewhere(room: &Topic<String>, hub: &Hub, history: usize) {
    hub.topic::<String>(&format!("not {}", room.name())).history(history).publish("first".into()).unwrap();
    hub.flush().await.unwrap();
}

/// Waits until a hub has noticed that its connection is lost.
async fn wait_disconnected(hub: &Hub) {
    let probe = hub.topic::<String>("probe");
    wait_until(async || matches!(probe.publish("x".into()), Err(PublishError::Disconnected))).await;
}

/// What one subscriber received of the messages that were accepted.
#[derive(Debug, Default)]
struct Account {
    sent: usize,
    received: usize,
    /// Messages whose loss was reported with a number.
    reported: u64,
    /// Reports of a loss of unknown size.
    unknown: usize,
    duplicates: usize,
    /// Messages that arrived after a later one of the same publisher.
    misordered: usize,
    /// Lost messages that no report covers.
    unreported: u64,
    recovered: Option<bool>,
}

impl Account {
    fn new(sent: &[String], events: &[Event], recovered: Option<bool>) -> Self {
        let mut account = Self { sent: sent.len(), recovered, ..Self::default() };
        let mut received = std::collections::HashSet::new();
        let mut last = std::collections::HashMap::new();
        for event in events {
            match event {
                Event::Received(line) => {
                    let position = sent.iter().position(|sent| sent == line);
                    let position = position.unwrap_or_else(|| panic!("`{line}` was not accepted"));
                    if !received.insert(line) {
                        account.duplicates += 1;
                        continue;
                    }
                    let publisher = line.split_once(':').map_or("", |(publisher, _)| publisher);
                    let last = last.entry(publisher).or_insert(position);
                    account.misordered += usize::from(position < *last);
                    *last = position;
                }
                Event::Lagged(0) => account.unknown += 1,
                Event::Lagged(missed) => account.reported += missed,
                other => panic!("{other:?}"),
            }
        }
        account.received = received.len();
        // A client that is not recovered loads everything from elsewhere.
        let is_covered = account.unknown > 0 || recovered == Some(false);
        if !is_covered {
            account.unreported = account.lost().saturating_sub(account.reported);
        }
        account
    }

    fn lost(&self) -> u64 {
        (self.sent - self.received) as u64
    }

    /// Prints the account, and checks that nothing is missing, received twice or reported in vain.
    #[track_caller]
    fn check(&self, scenario: &str) {
        let Self { sent, received, reported, unknown, duplicates, misordered, unreported, recovered } = self;
        println!(
            "{scenario}: sent {sent}, received {received}, reported {reported}, unknown {unknown}, \
             duplicates {duplicates}, misordered {misordered}, unreported {unreported}, recovered {recovered:?}"
        );
        assert_eq!((*unreported, *duplicates, *misordered), (0, 0, 0), "{scenario}: {self:?}");
        assert!(*reported <= self.lost(), "{scenario}: {self:?}");
    }
}

/// Collects the events of a session until all messages are accounted for, and a little longer.
async fn collect(session: &mut Session, sent: &[String], recovered: Option<bool>) -> Account {
    collect_after(Vec::new(), session, sent, recovered).await
}

/// Like [`collect`], after earlier events of the same client.
async fn collect_after(
    mut events: Vec<Event>,
    session: &mut Session,
    sent: &[String],
    recovered: Option<bool>,
) -> Account {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let account = Account::new(sent, &events, recovered);
        let wait = if account.unreported == 0 && account.lost() == account.reported {
            AFTERMATH
        } else if account.unreported == 0 {
            // After a report of unknown size, messages may still follow.
            4 * AFTERMATH
        } else {
            deadline.saturating_duration_since(tokio::time::Instant::now())
        };
        match timeout(wait, session.events.recv()).await {
            Ok(Some((event, _))) => events.push(event),
            Ok(None) => panic!("the handler has ended"),
            Err(_) => return account,
        }
    }
}

/// Returns a session that resumes at a position, and whether it was recovered.
async fn resume(room: &Topic<String>, since: Option<Position>) -> (Session, Option<bool>) {
    let (session, recovery) = Session::from(room, since).await;
    (session, Some(recovery.recovered))
}

#[test]
fn accounts_are_exact() {
    let sent = numbered("a", 0..3);
    let received = |numbers: &[usize]| -> Vec<Event> {
        numbers.iter().map(|number| Event::Received(format!("a:{number}"))).collect()
    };
    let account = |events: &[Event], recovered| {
        let account = Account::new(&sent, events, recovered);
        (account.unreported, account.duplicates, account.misordered)
    };
    assert_eq!(account(&received(&[0, 1, 2]), None), (0, 0, 0));
    assert_eq!(account(&received(&[0, 2]), Some(true)), (1, 0, 0));
    assert_eq!(account(&received(&[0, 2]), Some(false)), (0, 0, 0));
    assert_eq!(account(&received(&[0, 2, 0]), None), (1, 1, 0));
    assert_eq!(account(&received(&[2, 0, 1]), None), (0, 0, 1));
    let mut events = received(&[2]);
    events.push(Event::Lagged(1));
    assert_eq!(account(&events, None), (1, 0, 0));
    events.push(Event::Lagged(0));
    assert_eq!(account(&events, None), (0, 0, 0));
}
