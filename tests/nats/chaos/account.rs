//! Accounting for what the nodes have printed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// How much later than the next message a report of a loss may arrive, in milliseconds.
const LATE: u64 = 20_000;

/// What one subscriber, or all of them, received.
#[derive(Debug, Default)]
pub(super) struct Account {
    subscriber: String,
    sent: u64,
    pub(super) received: u64,
    lost: u64,
    reported: u64,
    unknown: u64,
    pub(super) duplicates: u64,
    pub(super) misordered: u64,
    pub(super) unreported: u64,
}

/// The events of one subscriber.
#[derive(Default)]
struct Events {
    topic: String,
    subscribed: u64,
    /// By publisher: numbers and when they arrived.
    received: BTreeMap<String, Vec<(u64, u64)>>,
    /// When a loss was reported, and its size.
    lagged: Vec<(u64, u64)>,
}

/// By topic and publisher: when each number was accepted.
type Sent = HashMap<(String, String), Vec<u64>>;

impl Account {
    /// Returns an account for each subscriber. Messages of `killed` nodes are not missed.
    pub(super) fn of_all(reports: &HashMap<String, Vec<String>>, killed: &[String]) -> Vec<Self> {
        let (mut sent, mut events) = (Sent::new(), BTreeMap::<String, Events>::new());
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
                    let events = events.entry(subscriber.into()).or_default();
                    (events.topic, events.subscribed) = (topic.into(), number(1));
                }
                ["received", _, subscriber, publisher, _] => {
                    let events = events.entry(subscriber.into()).or_default();
                    events.received.entry(publisher.into()).or_default().push((number(4), number(1)));
                }
                ["lagged", _, subscriber, _] => {
                    events.entry(subscriber.into()).or_default().lagged.push((number(1), number(3)));
                }
                ["ended", ..] => panic!("a connection has ended: {line}"),
                _ => {}
            }
        }
        let is_killed = |name: &str| killed.iter().any(|killed| killed == name);
        let account = |(subscriber, events): (String, Events)| {
            let (node, _) = subscriber.split_once('/').unwrap();
            let is_complete = !is_killed(node);
            Self::new(subscriber.clone(), &events, &sent, is_complete, &is_killed)
        };
        events.into_iter().map(account).collect()
    }

    fn new(
        subscriber: String,
        events: &Events,
        sent: &Sent,
        is_complete: bool,
        is_killed: &impl Fn(&str) -> bool,
    ) -> Self {
        let unknown = events.lagged.iter().filter(|(_, missed)| *missed == 0).count() as u64;
        let reported = events.lagged.iter().map(|(_, missed)| missed).sum();
        let mut account = Self { subscriber, reported, unknown, ..Self::default() };
        // Lost messages that no report of unknown size covers.
        let mut to_report = 0;
        for ((topic, publisher), times) in sent {
            if *topic != events.topic {
                continue;
            }
            let empty = Vec::new();
            let received = events.received.get(publisher).unwrap_or(&empty);
            let mut last = None;
            let mut numbers = HashSet::new();
            for (number, _) in received {
                if numbers.insert(number) {
                    account.misordered += u64::from(last.is_some_and(|last| number < last));
                    last = Some(number);
                } else {
                    account.duplicates += 1;
                }
            }
            account.received += numbers.len() as u64;
            let (node, _) = publisher.split_once('@').unwrap();
            if !is_complete || is_killed(node) {
                continue;
            }
            let expected: Vec<_> = (0..)
                .zip(times)
                .filter(|(_, time)| **time > events.subscribed)
                .map(|(number, _)| number)
                .collect();
            account.sent += expected.len() as u64;
            for number in expected.iter().filter(|number| !numbers.contains(number)) {
                account.lost += 1;
                let before = received.iter().rev().find(|(other, _)| other < number).map_or(0, |(_, at)| *at);
                let after =
                    received.iter().find(|(other, _)| other > number).map_or(u64::MAX - LATE, |(_, at)| *at);
                let window = before..=after + LATE;
                let is_covered = events.lagged.iter().any(|(at, missed)| *missed == 0 && window.contains(at));
                to_report += u64::from(!is_covered);
            }
        }
        account.unreported = to_report.saturating_sub(account.reported);
        account
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
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subscriber, sent, received, lost, reported, unknown, .. } = self;
        let Self { duplicates, misordered, unreported, .. } = self;
        write!(
            f,
            "{subscriber}: sent {sent}, received {received}, lost {lost}, reported {reported}, unknown {unknown}, \
             duplicates {duplicates}, misordered {misordered}, unreported {unreported}"
        )
    }
}

#[test]
fn losses_and_duplicates_are_found() {
    let lines = |received: &str, lagged: &str| {
        let mut lines = vec!["subscribed 1 a/x t".to_owned()];
        lines.extend((0..4).map(|number| format!("sent {} t b@t {number}", 10 * (number + 1))));
        lines.extend(received.split_whitespace().map(|number| format!("received 100 a/x b@t {number}")));
        lines.extend(lagged.split_whitespace().map(|missed| format!("lagged 100 a/x {missed}")));
        HashMap::from([("a".to_owned(), lines)])
    };
    let check = |received: &str, lagged: &str, expect: (u64, u64, u64)| {
        let accounts = Account::of_all(&lines(received, lagged), &[]);
        let Account { duplicates, misordered, unreported, .. } = &accounts[0];
        assert_eq!((*duplicates, *misordered, *unreported), expect, "{received}; {lagged}");
    };
    check("0 1 2 3", "", (0, 0, 0));
    check("0 1 1 3", "", (1, 0, 1));
    check("0 2 1 3", "", (0, 1, 0));
    check("0 3", "1", (0, 0, 1));
    check("0 3", "2", (0, 0, 0));
    check("0 3", "0", (0, 0, 0));
    let killed = Account::of_all(&lines("0 3", ""), &["b".to_owned()]);
    assert_eq!((killed[0].sent, killed[0].unreported), (0, 0));
}
