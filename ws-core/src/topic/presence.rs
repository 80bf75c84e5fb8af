//! Who is there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One of those who are there: a connection that [joined](crate::Context::join) a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// What tells it from others of the same name.
    pub id: MemberId,
    /// The name that it has given.
    pub name: Arc<str>,
    /// The name of the topic.
    pub topic: Arc<str>,
}

/// What tells a [`Member`] from all others, in the whole cluster. As text it is of letters and digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId {
    pub(crate) node: u64,
    pub(crate) number: u64,
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.node, self.number)
    }
}

/// Somebody came or went: what those who [watch](crate::Context::watch) a topic are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// This one is there.
    Joined(Member),
    /// This one was there.
    Left(Member),
}

/// The members of a topic, in the order in which they came.
#[derive(Default)]
pub(super) struct Members(BTreeMap<MemberId, Member>);

impl Members {
    /// One more; its slot is how it leaves.
    pub(super) fn join(&mut self, topic: &Arc<str>, name: &str) -> (usize, Member) {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let slot = NUMBER.fetch_add(1, Ordering::Relaxed);
        let member = Member { id: id(slot), name: name.into(), topic: Arc::clone(topic) };
        self.0.insert(member.id, member.clone());
        (slot, member)
    }

    pub(super) fn leave(&mut self, slot: usize) -> Option<Member> {
        self.0.remove(&id(slot))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.0.values()
    }
}

/// Members of this process have node 0 as long as there is no other.
fn id(slot: usize) -> MemberId {
    MemberId { node: 0, number: slot as u64 }
}
