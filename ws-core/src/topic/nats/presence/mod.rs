//! Who is there, in all processes: a key-value store whose entries expire.
//!
//! A process says again and again who is there of its own ([`announcer`]), and hears of the others where
//! somebody wants to know ([`remote`]). One that dies without a word says nothing any more.

mod announcer;
mod remote;

use std::time::Duration;

pub(super) use announcer::PresenceAnnouncer;
use async_nats::jetstream;
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
pub(super) use remote::RemoteMembers;
use tokio::time::timeout;

use super::REQUEST_TIMEOUT;
use super::history_stream::warn_if_underreplicated;

use crate::topic::presence::MemberId;

/// The store. Whoever wants another expiry makes it beforehand.
const BUCKET: &str = "ws_presence";

/// How long somebody is there after its process was heard last.
const EXPIRY: Duration = Duration::from_secs(15);

/// Where the store is.
#[derive(Clone)]
pub(super) struct Bucket {
    pub(super) jetstream: jetstream::Context,
    pub(super) replicas: usize,
}

impl Bucket {
    /// The store, made if there is none, and its expiry.
    async fn open(&self) -> Result<(Store, Duration), async_nats::Error> {
        let store = timeout(2 * REQUEST_TIMEOUT, self.get_or_create()).await??;
        warn_if_underreplicated(&store.stream, self.replicas);
        let expiry = store.stream.cached_info().config.max_age;
        // One that never expires is not what this was made for; its members still are told to leave.
        Ok((store, if expiry.is_zero() { EXPIRY } else { expiry }))
    }

    async fn get_or_create(&self) -> Result<Store, async_nats::Error> {
        if let Ok(store) = self.jetstream.get_key_value(BUCKET).await {
            return Ok(store);
        }
        // What makes a store out of it is ADR-8. The client asks for the account's limits first, and does
        // not read what servers before 2.10 say of them.
        let config = Config {
            name: format!("KV_{BUCKET}"),
            description: Some("who is there".into()),
            subjects: vec![format!("$KV.{BUCKET}.>")],
            max_messages_per_subject: 1,
            max_age: EXPIRY,
            discard: DiscardPolicy::New,
            storage: StorageType::File,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            num_replicas: self.replicas,
            ..Config::default()
        };
        self.jetstream.get_or_create_stream(config).await?;
        Ok(self.jetstream.get_key_value(BUCKET).await?)
    }
}

/// The key of a member.
fn key(token: &str, id: MemberId) -> String {
    format!("{token}.{:x}.{:x}", id.node, id.number)
}

/// Whose key it is.
fn parse_key(key: &str) -> Option<MemberId> {
    let mut parts = key.rsplit('.');
    let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
    let (number, node) = (number()?, number()?);
    Some(MemberId { node, number })
}
