//! Presence across processes: a key-value store whose entries expire.
//!
//! Each process announces its own members periodically ([`announcer`]). Where a topic has a watcher, or its
//! members are requested, a process watches the members of other processes ([`remote`]). The entries of a
//! process that dies expire.

mod announcer;
mod bucket;
mod remote;

pub(super) use announcer::PresenceAnnouncer;
pub(super) use bucket::{BUCKET_STREAM, BUCKET_SUBJECTS, Bucket};
pub(super) use remote::TopicPresence;
