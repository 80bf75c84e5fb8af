//! Who is there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One of those who are there: a connection that [joined](crate::Context::join) a topic.
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
    /// What tells it from others of the same name.
    pub id: MemberId,
    /// The name that it has given. Others may have the same.
    pub name: Arc<str>,
    /// The name of the topic.
    pub topic: Arc<str>,
}

/// What tells a [`Member`] from all others, in the whole cluster. As text it is two hexadecimal numbers
/// with a `-` between.
///
/// ```
/// # use ws_core::{Member, MemberId};
/// use std::collections::HashMap;
///
/// /// Those of the same name are told apart.
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

/// Somebody came or went: what those who [watch](crate::Context::watch) a topic are told.
///
/// ```
/// # use ws_core::prelude::*;
/// # #[websocket] struct Door { room: Topic<String>, guests: usize }
/// #[websocket]
/// impl Door {
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
    /// This one is there.
    Joined(Member),
    /// This one was there.
    Left(Member),
}

/// How many members of other processes a topic has here; more are not known.
const MAX_REMOTE_MEMBERS: usize = 100_000;

/// The members of a topic, those of a process in the order in which they came.
pub(super) struct Members {
    /// This process.
    node: u64,
    by_id: BTreeMap<MemberId, Member>,
}

/// There are too many.
pub(super) struct TooManyMembers;

impl Members {
    pub(super) fn new(node: u64) -> Self {
        Self { node, by_id: BTreeMap::new() }
    }

    /// One more; its slot is how it leaves.
    pub(super) fn join(&mut self, topic: &Arc<str>, name: &str) -> (usize, Member) {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let slot = NUMBER.fetch_add(1, Ordering::Relaxed);
        let id = self.member_id(slot);
        let member = Member { id, name: name.into(), topic: Arc::clone(topic) };
        self.by_id.insert(id, member.clone());
        (slot, member)
    }

    pub(super) fn leave(&mut self, slot: usize) -> Option<Member> {
        self.by_id.remove(&self.member_id(slot))
    }

    /// Nobody is there any more; those of this process, who have to say so.
    pub(super) fn clear(&mut self) -> Vec<Member> {
        let by_id = std::mem::take(&mut self.by_id);
        by_id.into_values().filter(|member| member.id.node == self.node).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.by_id.values()
    }

    /// Somebody elsewhere is there; nothing if that is known.
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

    /// Somebody elsewhere is gone.
    pub(super) fn remove_remote(&mut self, id: MemberId) -> Option<Member> {
        if id.node == self.node { None } else { self.by_id.remove(&id) }
    }

    /// Members of this process have node 0 if there is no other.
    fn member_id(&self, slot: usize) -> MemberId {
        MemberId { node: self.node, number: slot as u64 }
    }
}
