//! The members of a topic, and the events of joining and leaving it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A connection that has [joined](crate::Context::join) a topic.
///
/// ```
/// use ws_core::{Hub, Member, Topic};
///
/// async fn names(room: &Topic<String>) -> Vec<String> {
///     let members: Vec<Member> = room.members().await;
///     members.iter().map(|member| format!("{} in {}", member.name, member.topic)).collect()
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// assert!(names(&Hub::local().topic("room:lobby")).await.is_empty());
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// The identity, which no other member has.
    pub id: MemberId,
    /// The name that the member has joined with. Other members may have the same name.
    pub name: Arc<str>,
    /// The name of the topic.
    pub topic: Arc<str>,
}

/// The identity of a [`Member`], unique in the whole cluster. The text form is two hexadecimal numbers with
/// a `-` between them.
///
/// ```
/// # use ws_core::{Member, MemberId};
/// use std::collections::HashMap;
///
/// /// Members of the same name have different keys.
/// fn by_id(members: Vec<Member>) -> HashMap<MemberId, Member> {
///     members.into_iter().map(|member| (member.id, member)).collect()
/// }
/// # assert!(by_id(Vec::new()).is_empty());
/// ```
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

/// A member has joined or left: the message of connections that [watch](crate::Context::watch) a topic.
///
/// ```
/// # use ws_core::prelude::*;
/// # #[websocket] struct Counter { room: Topic<String>, guests: usize }
/// #[websocket]
/// impl Counter {
///     #[on_open]
///     fn open(&mut self, cx: &mut Context<Self>) {
///         cx.watch(&self.room);
///     }
///     #[on_info]
///     fn count(&mut self, presence: Presence) -> String {
///         match presence {
///             Presence::Joined(_) => self.guests += 1,
///             Presence::Left(_) => self.guests -= 1,
///         }
///         format!("{} guests", self.guests)
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// This member has joined, or was present when the watch began.
    Joined(Member),
    /// This member has left.
    Left(Member),
}

/// Maximum number of members of a topic, above which members of other processes are rejected.
const MAX_REMOTE_MEMBERS: usize = 100_000;

/// The members of a topic. Those of one process are in the order in which they joined.
pub(super) struct Members {
    /// The number of this process; 0 without a broker.
    node: u64,
    by_id: BTreeMap<MemberId, Member>,
}

/// The error of adding a member above [`MAX_REMOTE_MEMBERS`].
pub(super) struct TooManyMembers;

impl Members {
    pub(super) fn new(node: u64) -> Self {
        Self { node, by_id: BTreeMap::new() }
    }

    /// Adds a member of this process. Returns its slot, for [`leave`](Self::leave), and the member.
    pub(super) fn join(&mut self, topic: &Arc<str>, name: &str) -> (usize, Member) {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let slot = NUMBER.fetch_add(1, Ordering::Relaxed);
        let id = self.member_id(slot);
        let member = Member { id, name: name.into(), topic: Arc::clone(topic) };
        self.by_id.insert(id, member.clone());
        (slot, member)
    }

    /// Removes a member of this process.
    pub(super) fn leave(&mut self, slot: usize) -> Option<Member> {
        self.by_id.remove(&self.member_id(slot))
    }

    /// Removes all members. Returns those of this process, whose leaving has to be announced.
    pub(super) fn clear(&mut self) -> Vec<Member> {
        let by_id = std::mem::take(&mut self.by_id);
        by_id.into_values().filter(|member| member.id.node == self.node).collect()
    }

    #[cfg(feature = "inspect")]
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.by_id.values()
    }

    /// Adds a member of another process. Returns `None` if the member is known already.
    pub(super) fn add_remote(
        &mut self,
        topic: &Arc<str>,
        id: MemberId,
        name: &str,
    ) -> Result<Option<Member>, TooManyMembers> {
        if id.node == self.node || self.by_id.contains_key(&id) {
            return Ok(None);
        }
        if self.by_id.len() >= MAX_REMOTE_MEMBERS {
            return Err(TooManyMembers);
        }
        let member = Member { id, name: name.into(), topic: Arc::clone(topic) };
        self.by_id.insert(id, member.clone());
        Ok(Some(member))
    }

    /// Removes a member of another process.
    pub(super) fn remove_remote(&mut self, id: MemberId) -> Option<Member> {
        if id.node == self.node { None } else { self.by_id.remove(&id) }
    }

    fn member_id(&self, slot: usize) -> MemberId {
        MemberId { node: self.node, number: slot as u64 }
    }
}
