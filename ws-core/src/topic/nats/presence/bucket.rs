//! The key-value store of members.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{
    CreateStreamError, CreateStreamErrorKind, GetStreamError, GetStreamErrorKind, PublishError,
    PublishErrorKind,
};
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use tokio::time::timeout;

use super::super::history_stream::warn_if_underreplicated;
use super::super::request::REQUEST_TIMEOUT;
use crate::topic::presence::MemberId;

/// Name of the store. An operator who wants another expiry creates the store beforehand.
const BUCKET: &str = "ws_presence";

/// Name of the store's stream, and the start of the subjects of its entries (ADR-8).
pub(in super::super) const BUCKET_STREAM: &str = "KV_ws_presence";
pub(in super::super) const BUCKET_SUBJECTS: &str = "$KV.ws_presence.";

/// How long a member stays present after the last announcement of its process.
pub(super) const EXPIRY: Duration = Duration::from_secs(15);

/// Access to the store of all members.
#[derive(Clone)]
pub(in super::super) struct Bucket {
    pub(in super::super) jetstream: jetstream::Context,
    pub(in super::super) replicas: usize,
}

impl Bucket {
    /// Opens the store, and creates it if it does not exist. Also returns the expiry of its entries.
    pub(super) async fn open(&self) -> Result<(Store, Duration), async_nats::Error> {
        let store = timeout(2 * REQUEST_TIMEOUT, self.get_or_create()).await??;
        warn_if_underreplicated(&store.stream, self.replicas);
        let expiry = store.stream.cached_info().config.max_age;
        // In a store without expiry, members that leave are still removed. Processes then apply the default
        // expiry to the others.
        Ok((store, if expiry.is_zero() { EXPIRY } else { expiry }))
    }

    async fn get_or_create(&self) -> Result<Store, async_nats::Error> {
        if let Ok(store) = self.jetstream.get_key_value(BUCKET).await {
            return Ok(store);
        }
        // ADR-8 defines which stream is a key-value store. The client's own function would request the
        // account's limits first, and cannot parse the answer of servers before 2.10.
        let config = Config {
            name: BUCKET_STREAM.into(),
            description: Some("members of topics".into()),
            subjects: vec![format!("{BUCKET_SUBJECTS}>")],
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

/// Returns whether an error may be temporary: in a new cluster, until leaders are elected.
pub(super) fn is_temporary(error: &async_nats::Error) -> bool {
    let mut error: Option<&(dyn std::error::Error + 'static)> = Some(&**error);
    while let Some(cause) = error {
        // A stream without a leader does not receive messages, so that the server knows no stream for them.
        let has_no_leader = cause
            .downcast_ref::<PublishError>()
            .is_some_and(|error| error.kind() == PublishErrorKind::StreamNotFound);
        // Another server of the cluster does not know the new stream yet.
        let is_unknown = cause.downcast_ref::<GetStreamError>().is_some_and(|error| match error.kind() {
            GetStreamErrorKind::JetStream(error) => error.error_code() == ErrorCode::STREAM_NOT_FOUND,
            _ => false,
        });
        if has_no_leader
            || is_unknown
            || cause.downcast_ref::<CreateStreamError>().is_some_and(is_cluster_incomplete)
        {
            return true;
        }
        error = cause.source();
    }
    false
}

fn is_cluster_incomplete(error: &CreateStreamError) -> bool {
    let temporary = [
        ErrorCode::CLUSTER_NOT_AVAILABLE,
        ErrorCode::CLUSTER_NOT_LEADER,
        ErrorCode::CLUSTER_NO_PEERS,
        ErrorCode::CLUSTER_INCOMPLETE,
    ];
    match error.kind() {
        CreateStreamErrorKind::JetStream(error) => temporary.contains(&error.error_code()),
        kind => kind == CreateStreamErrorKind::TimedOut,
    }
}

/// Returns the key of a member.
pub(super) fn key(token: &str, id: MemberId) -> String {
    format!("{token}.{:x}.{:x}", id.node, id.number)
}

/// Returns the member of a key.
pub(super) fn parse_key(key: &str) -> Option<MemberId> {
    let mut parts = key.rsplit('.');
    let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
    let (number, node) = (number()?, number()?);
    Some(MemberId { node, number })
}
