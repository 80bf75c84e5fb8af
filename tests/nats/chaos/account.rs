//! Accounting for what the nodes have printed: every message of a subscriber was received once and in its
//! publisher's order, or its loss was reported before the publisher's next message.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// Messages that were accepted this long before a subscription, or shortly after, may be received or not, in
/// milliseconds: nodes print what happened a little later.
const BLUR: u64 = 500;

/// How much later than the next message a report of unknown size may arrive, in milliseconds. Only without a
/// history: a process reports the end of its connection once it has subscribed again.
const LATE: u64 = 20_000;

/// What one subscriber, or all of them, received.
#[derive(Debug, Default)]
pub(super) struct Account {
    subscriber: String,
    /// Messages that the subscriber had to receive.
    sent: u64,
    pub(super) received: u64,
    lost: u64,
    /// Messages whose loss was reported with a number.
    reported: u64,
    /// Reports of unknown size.
    unknown: u64,
    pub(super) duplicates: u64,
    pub(super) misordered: u64,
    /// Lost messages that no report covers.
    pub(super) unreported: u64,
    /// Messages whose loss was reported with a number, but that were not lost.
    pub(super) reported_in_vain: u64,
    /// The first messages that no report covers.
    examples: Vec<String>,
}

/// The events of one subscriber, in their order.
#[derive(Default)]
struct Subscriber {
    topic: String,
    subscribed: u64,
    events: Vec<(u64, Event)>,
}

enum Event {
    Received {
        publisher: String,
        number: usize,
    },
    Lagged(u64),
    /// The client knows nothing of the messages before: it may receive them again.
    Restarted,
}

/// By topic and publisher: when each number was accepted.
type Sent = HashMap<(String, String), Vec<u64>>;

/// A message that was not received, and the events between which its loss has to be reported.
struct Missing {
    number: usize,
    name: String,
    sent: u64,
    /// Number of the event of the publisher's previous message.
    after: usize,
    /// Number of the event of the publisher's next message, and its time.
    before: usize,
    before_time: u64,
    /// Whether the loss has to be reported. Otherwise a report is allowed.
    is_required: bool,
    /// A report of unknown size may be about the message.
    is_covered: bool,
    /// A number includes the message.
    is_counted: bool,
}

impl Account {
    /// Returns an account for each subscriber. The last messages of `killed` nodes are not missed: the node may
    /// have died with them.
    pub(super) fn of_all(reports: &HashMap<String, Vec<String>>, killed: &[String]) -> Vec<Self> {
        let (mut sent, mut subscribers) = (Sent::new(), BTreeMap::<String, Subscriber>::new());
        for line in reports.values().flatten() {
            let parts: Vec<&str> = line.split(' ').collect();
            let number = |at: usize| -> u64 { parts[at].parse().unwrap() };
            match parts[..] {
                ["sent", _, topic, publisher, _] => {
                    let times = sent.entry((topic.into(), publisher.into())).or_default();
                    times.push(number(1));
                    assert_eq!(times.len() as u64, number(4) + 1, "{line}");
                }
                ["subscribed", _, subscriber, topic] => {
                    let subscriber = subscribers.entry(subscriber.into()).or_default();
                    (subscriber.topic, subscriber.subscribed) = (topic.into(), number(1));
                }
                ["received", _, subscriber, publisher, _] => {
                    let number_of_message = usize::try_from(number(4)).unwrap();
                    let event = Event::Received { publisher: publisher.into(), number: number_of_message };
                    subscribers.entry(subscriber.into()).or_default().events.push((number(1), event));
                }
                ["lagged", _, subscriber, _] => {
                    let event = Event::Lagged(number(3));
                    subscribers.entry(subscriber.into()).or_default().events.push((number(1), event));
                }
                ["restarted", _, subscriber, _] => {
                    let events = &mut subscribers.entry(subscriber.into()).or_default().events;
                    events.extend([(number(1), Event::Lagged(0)), (number(1), Event::Restarted)]);
                }
                ["ended", ..] => panic!("a connection has ended: {line}"),
                _ => {}
            }
        }
        let is_killed = |name: &str| killed.iter().any(|killed| killed == name);
        subscribers.iter().map(|(name, subscriber)| Self::new(name, subscriber, &sent, &is_killed)).collect()
    }

    fn new(name: &str, subscriber: &Subscriber, sent: &Sent, is_killed: &impl Fn(&str) -> bool) -> Self {
        let mut account = Self { subscriber: name.to_owned(), ..Self::default() };
        let (node, _) = name.split_once('/').unwrap();
        let mut missing = Vec::new();
        for ((topic, publisher), times) in sent.iter().filter(|((topic, _), _)| *topic == subscriber.topic) {
            let (publishing, _) = publisher.split_once('@').unwrap();
            let may_end = is_killed(node) || is_killed(publishing);
            missing.extend(account.add_publisher(topic, publisher, times, subscriber, may_end));
        }
        account.add_reports(subscriber, &mut missing);
        let is_unreported =
            |message: &&Missing| message.is_required && !message.is_covered && !message.is_counted;
        let unreported = missing.iter().filter(is_unreported);
        account.unreported = unreported.clone().count() as u64;
        account.examples = unreported.take(3).map(|missing| missing.name.clone()).collect();
        account.lost = missing.iter().filter(|missing| missing.is_required).count() as u64;
        account.sent = account.received + account.lost;
        account
    }

    /// Checks the messages of one publisher. Returns those that were not received.
    fn add_publisher(
        &mut self,
        topic: &str,
        publisher: &str,
        times: &[u64],
        subscriber: &Subscriber,
        may_end: bool,
    ) -> Vec<Missing> {
        let (mut missing, mut next, mut after) = (Vec::new(), 0, None);
        let (mut seen, mut seen_again, mut next_again) = (HashSet::new(), None::<HashSet<usize>>, 0);
        let mut add =
            |numbers: std::ops::Range<usize>, after: Option<usize>, before: (usize, u64), is_end| {
                for number in numbers {
                    // A node that was killed may not have printed its last message.
                    let Some(sent) = times.get(number).or(times.last()).copied() else { break };
                    let is_later = after.is_some() || sent > subscriber.subscribed + BLUR;
                    missing.push(Missing {
                        number,
                        name: format!("{topic} {publisher} {number} at {sent} before {}", before.1),
                        sent,
                        after: after.unwrap_or(0),
                        before: before.0,
                        before_time: before.1,
                        is_required: is_later && !(is_end && may_end),
                        is_covered: false,
                        is_counted: false,
                    });
                }
            };
        for (at, (time, event)) in subscriber.events.iter().enumerate() {
            let (from, number) = match event {
                Event::Received { publisher, number } => (publisher, number),
                Event::Restarted => {
                    (seen_again, next_again) = (Some(HashSet::new()), 0);
                    continue;
                }
                Event::Lagged(_) => continue,
            };
            if from != publisher {
                continue;
            }
            let is_earlier = *number < next;
            if let Some(seen_again) = &mut seen_again
                && is_earlier
            {
                self.duplicates += u64::from(!seen_again.insert(*number));
                self.misordered += u64::from(*number < next_again);
                next_again = number + 1;
                self.received += u64::from(seen.insert(*number));
                continue;
            }
            if !seen.insert(*number) {
                self.duplicates += 1;
                continue;
            }
            self.received += 1;
            if is_earlier {
                self.misordered += 1;
                continue;
            }
            add(next..*number, after, (at, *time), false);
            (next, after) = (number + 1, Some(at));
        }
        let end = times.len() + usize::from(may_end);
        add(next..end, after, (usize::MAX, u64::MAX - LATE), true);
        // Messages that arrived out of order are not missing.
        missing.retain(|message| !seen.contains(&message.number));
        missing
    }

    /// Matches the reports with the messages that were not received.
    fn add_reports(&mut self, subscriber: &Subscriber, missing: &mut [Missing]) {
        // Of several messages that a report may be about, the one with the earliest limit comes first.
        missing.sort_by_key(|message| (message.before, message.sent));
        let is_plain = subscriber.topic.starts_with("plain");
        let reports = subscriber.events.iter().enumerate().filter_map(|(at, (time, event))| match event {
            Event::Lagged(count) => Some((at, *time, *count)),
            Event::Received { .. } | Event::Restarted => None,
        });
        let is_between = |message: &Missing, at: usize, time: u64| {
            message.sent <= time + BLUR && message.after <= at && at < message.before
        };
        for (at, time, _) in reports.clone().filter(|(.., count)| *count == 0) {
            self.unknown += 1;
            for message in missing.iter_mut() {
                let is_late = is_plain && message.sent <= time + BLUR && time <= message.before_time + LATE;
                message.is_covered |= is_between(message, at, time) || is_late && message.after <= at;
            }
        }
        for (at, time, count) in reports.filter(|(.., count)| *count > 0) {
            self.reported += count;
            let mut left = count;
            // Numbers are about messages that nothing else reports, if there are some.
            for (is_required, is_covered) in [(true, false), (true, true), (false, false), (false, true)] {
                let open = missing.iter_mut().filter(|message| {
                    let is_open = !message.is_counted && is_between(message, at, time);
                    is_open && (message.is_required, message.is_covered) == (is_required, is_covered)
                });
                for message in open.take(usize::try_from(left).unwrap()) {
                    message.is_counted = true;
                    left -= 1;
                }
            }
            self.reported_in_vain += left;
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.subscriber = "all".into();
        self.sent += other.sent;
        self.received += other.received;
        self.lost += other.lost;
        self.reported += other.reported;
        self.unknown += other.unknown;
        self.duplicates += other.duplicates;
        self.misordered += other.misordered;
        self.unreported += other.unreported;
        self.reported_in_vain += other.reported_in_vain;
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subscriber, sent, received, lost, reported, unknown, .. } = self;
        let Self { duplicates, misordered, unreported, reported_in_vain, examples, .. } = self;
        write!(
            f,
            "{subscriber}: sent {sent}, received {received}, lost {lost}, reported {reported}, unknown {unknown}, \
             duplicates {duplicates}, misordered {misordered}, unreported {unreported}, reported in vain \
             {reported_in_vain}"
        )?;
        if examples.is_empty() { Ok(()) } else { write!(f, ", {examples:?}") }
    }
}

#[test]
fn losses_and_duplicates_are_found() {
    /// Events are the numbers of one publisher, or `!` and the size of a report.
    fn accounts(topic: &str, events: &str, killed: &[String]) -> Account {
        let mut lines = vec![format!("subscribed 1 a/x {topic}")];
        lines.extend((0..4).map(|number| format!("sent {} {topic} b@{topic} {number}", 1000 * (number + 1))));
        lines.extend(events.split_whitespace().map(|event| match event.strip_prefix('!') {
            Some("restarted") => "restarted 9000 a/x 0".into(),
            Some(missed) => format!("lagged 9000 a/x {missed}"),
            None => format!("received 9000 a/x b@{topic} {event}"),
        }));
        let accounts = Account::of_all(&HashMap::from([("a".to_owned(), lines)]), killed);
        accounts.into_iter().next().unwrap()
    }
    let check = |topic: &str, events: &str, expect: (u64, u64, u64, u64)| {
        let Account { duplicates, misordered, unreported, reported_in_vain, .. } =
            accounts(topic, events, &[]);
        assert_eq!((duplicates, misordered, unreported, reported_in_vain), expect, "{topic}: {events}");
    };
    check("stored", "0 1 2 3", (0, 0, 0, 0));
    check("stored", "0 1 1 3", (1, 0, 1, 0));
    check("stored", "0 2 1 3", (0, 1, 0, 0));
    check("stored", "0 !1 3", (0, 0, 1, 0));
    check("stored", "0 !2 3", (0, 0, 0, 0));
    check("stored", "0 !3 3", (0, 0, 0, 1));
    check("stored", "0 !0 3", (0, 0, 0, 0));
    check("stored", "0 !0 !2 3", (0, 0, 0, 0));
    check("stored", "0 !2 !2 3", (0, 0, 0, 2));
    // A report comes before the next message, and after the previous one.
    check("stored", "0 3 !2", (0, 0, 2, 2));
    check("stored", "!2 0 3", (0, 0, 2, 2));
    check("stored", "0 3 !0", (0, 0, 2, 0));
    check("plain", "0 3 !0", (0, 0, 0, 0));
    // A client that begins anew may receive messages again, once and in their order.
    check("stored", "0 1 2 !restarted 1 2 3", (0, 0, 0, 0));
    check("stored", "0 1 2 !restarted 1 2 2 3", (1, 1, 0, 0));
    check("stored", "0 1 2 !restarted 2 1 3", (0, 1, 0, 0));
    check("stored", "0 !restarted 3", (0, 0, 0, 0));
    // The first and the last messages are missed as well.
    check("stored", "2 3", (0, 0, 2, 0));
    check("stored", "0 1", (0, 0, 2, 0));
    check("stored", "0 1 !2", (0, 0, 0, 0));
    check("stored", "", (0, 0, 4, 0));
    // Node b died with its last messages, but not with those before a later one.
    let killed = ["b".to_owned()];
    assert_eq!(accounts("stored", "0 1", &killed).unreported, 0);
    assert_eq!(accounts("stored", "0 2", &killed).unreported, 1);
}
