//! Tests of the limits, the tags and the requests.

use std::net::IpAddr;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::close::Close;
use crate::options::OnSecond;
use crate::shrink::MIN_CAPACITY;

#[tokio::test(start_paused = true)]
async fn admits_within_each_limit() {
    let connections = Arc::<ConnectionTracker>::default();
    let limits = ConnectionLimits { connections: 4, per_address: Some(2), rate: Some(4) };
    let admit = |last| connections.admit(&limits, Some((IpAddr::from([10, 0, 0, last]), 1).into()));
    let _first = admit(1).unwrap();
    let second = admit(1).unwrap();
    assert_eq!(admit(1).err(), Some(LimitReached::Address));
    // Rejected connections do not count towards the rate.
    let _third = admit(2).unwrap();
    drop(second);
    let _fourth = admit(1).unwrap();
    assert_eq!(admit(3).err(), Some(LimitReached::Rate));
    tokio::time::advance(Duration::from_millis(250)).await;
    let _fifth = admit(3).unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(admit(3).err(), Some(LimitReached::Total));
    assert_eq!(connections.admit(&ConnectionLimits::new(6), None).err(), None);
}

#[cfg(feature = "proxy-protocol")]
#[test]
fn network_counts_from_the_time_at_which_it_is_known() {
    let connections = Arc::<ConnectionTracker>::default();
    let limits = ConnectionLimits { connections: 10, per_address: Some(1), rate: None };
    let addr = |last| SocketAddr::from(([10, 0, 0, last], 1));
    let admit = || connections.admit(&limits, None).unwrap();
    let (first, second, third) = (admit(), admit(), admit());
    assert!(first.limit_network(&limits, addr(1)));
    assert!(!second.limit_network(&limits, addr(1)));
    assert!(third.limit_network(&limits, addr(2)));
    assert_eq!(connections.admit(&limits, Some(addr(1))).err(), Some(LimitReached::Address));
    // The connection that was refused has not counted.
    drop(second);
    assert!(!admit().limit_network(&limits, addr(1)));
    drop(first);
    assert!(admit().limit_network(&limits, addr(1)));
    assert!(admit().limit_network(&ConnectionLimits::new(10), addr(2)));
}

/// A step of a program: the index of a connection, and that of a tag.
#[derive(Clone, Debug)]
enum Step {
    Open,
    End(usize),
    Tag(usize, usize),
    Untag(usize, usize),
    Close(usize),
    Snapshots,
    Take(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (connection, tag) = (0..8_usize, 0..20_usize);
    prop_oneof![
        3 => Just(Step::Open),
        2 => connection.clone().prop_map(Step::End),
        6 => (connection.clone(), tag.clone()).prop_map(|(connection, tag)| Step::Tag(connection, tag)),
        1 => (connection.clone(), tag.clone()).prop_map(|(connection, tag)| Step::Untag(connection, tag)),
        1 => tag.prop_map(Step::Close),
        1 => Just(Step::Snapshots),
        1 => connection.prop_map(Step::Take),
    ]
}

/// A connection of the model: its permit, its number, its tags, and whether a request waits.
struct Expected {
    permit: ConnectionPermit,
    number: u64,
    tags: BTreeSet<String>,
    has_request: bool,
}

static KIND: ConnectionKind = ConnectionKind { handler: || "handler", is_session: false };

proptest! {
    /// Keys of the slab are used again, so a tag that outlives its connection would point to another one.
    #[test]
    fn tag_never_points_to_another_connection(steps in vec(step(), 1..200)) {
        let connections = Arc::<ConnectionTracker>::default();
        let (mut open, mut number) = (Vec::<Expected>::new(), 0);
        for step in steps {
            let count = open.len();
            match step {
                Step::Open if count < 8 => {
                    let permit = connections.admit(&ConnectionLimits::new(8), None).unwrap();
                    assert_eq!(connections.count(None), count, "the connection has not begun");
                    permit.register_connection(Waker::noop(), &KIND, now());
                    number += 1;
                    open.push(Expected { permit, number, tags: BTreeSet::new(), has_request: false });
                }
                Step::End(index) if index < count => _ = open.swap_remove(index),
                Step::Tag(index, tag) if index < count => {
                    let (own, tag) = (&mut open[index], format!("tag {tag}"));
                    let expected = if own.tags.contains(&tag) || own.tags.len() < 16 {
                        own.tags.insert(tag.clone());
                        Ok(())
                    } else {
                        Err(TagError::TooMany)
                    };
                    assert_eq!(own.permit.tag(&tag, Arc::new(own.number), None), expected);
                }
                Step::Untag(index, tag) if index < count => {
                    let (own, tag) = (&mut open[index], format!("tag {tag}"));
                    assert_eq!(own.permit.untag(&tag), own.tags.remove(&tag));
                }
                Step::Close(tag) => {
                    let tag = format!("tag {tag}");
                    let tagged = open.iter_mut().filter(|own| own.tags.contains(&tag));
                    let tagged = tagged.map(|own| own.has_request = true).count();
                    assert_eq!(connections.close_tagged(&tag, &Close::from(4003)), tagged);
                }
                Step::Snapshots => {
                    let tags = connections.request_reports().into_iter().map(|snapshot| snapshot.tags.len());
                    let expected = open.iter_mut().map(|own| {
                        own.has_request = true;
                        own.tags.len()
                    });
                    assert_eq!(tags.sum::<usize>(), expected.sum::<usize>());
                }
                Step::Take(index) if index < count => {
                    let own = &mut open[index];
                    assert_eq!(!own.permit.take_requests().is_empty(), own.has_request);
                    own.has_request = false;
                }
                _ => {}
            }
            for tag in (0..20).map(|tag| format!("tag {tag}")) {
                let mut tagged: Vec<u64> = connections
                    .tagged_addrs(&tag)
                    .iter()
                    .map(|addr| *addr.downcast_ref().unwrap())
                    .collect();
                tagged.sort_unstable();
                let expected = open.iter().filter(|own| own.tags.contains(&tag)).map(|own| own.number);
                let mut expected: Vec<u64> = expected.collect();
                expected.sort_unstable();
                assert_eq!((connections.count_tagged(&tag), &tagged), (expected.len(), &expected));
            }
            assert_eq!(connections.count(Some("handler")), open.len());
            let requests = open.iter().filter(|own| own.has_request).count();
            assert_eq!(connections.signals.load(Ordering::Relaxed), REQUEST * requests);
        }
        drop(open);
        let state = connections.lock();
        assert!(state.entries.is_empty() && state.tags.is_empty() && state.extras.is_empty());
        assert_eq!(connections.signals.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn tags_are_bounded() {
    let connections = Arc::<ConnectionTracker>::default();
    let permit = connections.admit(&ConnectionLimits::new(1), None).unwrap();
    let tag = |tag: &str| permit.tag(tag, Arc::new(()), None);
    assert_eq!(
        (tag(""), tag(&"é".repeat(64)), tag(&"x".repeat(129))),
        (Err(TagError::Empty), Ok(()), Err(TagError::TooLong))
    );
    for index in 1..16 {
        assert_eq!(tag(&index.to_string()), Ok(()));
    }
    assert_eq!((tag("1"), tag("16")), (Ok(()), Err(TagError::TooMany)));
    assert!(permit.untag("1") && !permit.untag("1"));
    assert_eq!((tag("16"), connections.count_tagged("1")), (Ok(()), 0));
}

#[test]
fn number_of_an_earlier_connection_closes_none() {
    let connections = Arc::<ConnectionTracker>::default();
    let begin = || {
        let permit = connections.admit(&ConnectionLimits::new(1), None).unwrap();
        permit.register_connection(Waker::noop(), &KIND, now());
        (permit, connections.request_reports().remove(0).id)
    };
    let (first, first_id) = begin();
    drop(first);
    let (second, second_id) = begin();
    assert!(!connections.close_id(first_id, &Close::from(4003)));
    assert!(second.take_requests().close.is_none());
    assert!(connections.close_id(second_id, &Close::from(4003)));
    assert!(connections.close_id(second_id, &Close::from(4004)));
    assert_eq!(second.take_requests().close, Some(Close::from(4003)), "the first close counts");
}

#[test]
fn one_connection_has_a_tag_of_one_per() {
    let connections = Arc::<ConnectionTracker>::default();
    let admit = || connections.admit(&ConnectionLimits::new(9), None).unwrap();
    let (first, second, third, other) = (admit(), admit(), admit(), admit());
    let tag = |permit: &ConnectionPermit, policy| permit.tag("user:1", Arc::new(1_u8), Some(policy));
    assert_eq!(other.tag("user:1", Arc::new("of another handler"), Some(OnSecond::Refuse)), Ok(()));
    assert_eq!(tag(&first, OnSecond::Refuse), Ok(()));
    assert_eq!(
        (tag(&first, OnSecond::Refuse), tag(&second, OnSecond::Refuse)),
        (Ok(()), Err(TagError::Taken))
    );
    // One that was refused may try again, and one that closes does not count.
    connections.close_tagged("user:1", &Close::from(4003));
    assert_eq!(tag(&second, OnSecond::Refuse), Ok(()));
    assert_eq!(tag(&third, OnSecond::Replace), Ok(()));
    assert_eq!(second.take_requests().close, Some(Close::from((4910, "replaced by another connection"))));
    assert_eq!((second.untag("user:1"), third.untag("user:1")), (false, true));
    // A connection that was replaced cannot replace the other one.
    assert_eq!(tag(&second, OnSecond::Replace), Err(TagError::Taken));
    assert_eq!(other.take_requests().close, Some(Close::from(4003)));
}

/// Several threads give the same tag to connections of their own.
#[test]
fn two_connections_at_once_never_both_keep_the_tag() {
    for policy in [OnSecond::Replace, OnSecond::Refuse] {
        let connections = Arc::<ConnectionTracker>::default();
        let permits: Vec<_> =
            (0..400).map(|_| connections.admit(&ConnectionLimits::new(400), None).unwrap()).collect();
        let kept: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = permits
                .chunks(100)
                .map(|permits| {
                    scope.spawn(|| {
                        let tagged =
                            permits.iter().map(|permit| permit.tag("user:1", Arc::new(1_u8), Some(policy)));
                        tagged.filter(Result::is_ok).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let closed = permits.iter().filter(|permit| permit.take_requests().close.is_some()).count();
        assert_eq!((kept - closed, connections.count_tagged("user:1")), (1, 1), "{policy:?}");
    }
}

#[test]
fn memory_of_a_peak_of_connections_is_returned() {
    let tracker = Arc::new(ConnectionTracker::default());
    let limits = ConnectionLimits::new(usize::MAX);
    let permits: Vec<_> = (0..10_000).map(|_| tracker.admit(&limits, None).unwrap()).collect();
    for (number, permit) in permits.iter().enumerate() {
        permit.tag(&format!("user:{number}"), Arc::new(()), None).unwrap();
    }
    let capacities = || {
        let state = tracker.lock();
        (state.entries.capacity(), state.tags.capacity())
    };
    let peak = capacities();
    let mut permits = permits.into_iter();
    let first = permits.next();
    drop(permits);
    let remaining = capacities();
    println!("{remaining:?} of {peak:?}");
    assert!(peak.0 >= 10_000 && peak.1 >= 10_000);
    assert!(remaining.0 <= MIN_CAPACITY && remaining.1 <= MIN_CAPACITY, "{remaining:?} of {peak:?}");
    drop(first);
}
