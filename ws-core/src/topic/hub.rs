//! Where topics are found by their names.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::time::Instant;

use super::Topic;
use super::broker::Broker;
use super::channel::Channel;
#[cfg(feature = "json")]
use super::codec;
use super::codec::{Codec, ErasedCodec};

/// How many topics with a history may be kept that nobody uses, for those who come back.
const MAX_IDLE: usize = 10_000;

/// The topics of a server: one process by default ([`Hub::local`]).
///
/// It is cheap to clone, and usually the state of the router, or a part of it. What is published in
/// one hub is not heard in another.
///
/// ```
/// # use ws_core::{prelude::*, test::Test};
/// # #[derive(serde::Deserialize, serde::Serialize)] struct Said { text: String }
/// #[websocket(path = "/rooms/{room}")]
/// struct Guest { room: Topic<Said> }
///
/// #[websocket]
/// impl Guest {
///     #[on_upgrade]
///     fn join(Path(room): Path<String>, State(hub): State<Hub>) -> Self {
///         Self { room: hub.topic(format!("room:{room}")) }
///     }
///     #[on_open]
///     fn open(&mut self, cx: &mut Context<Self>) {
///         cx.subscribe(&self.room);
///     }
///     #[on_text]
///     fn said(&mut self, text: String) -> Result<(), PublishError> {
///         self.room.publish(Said { text })
///     }
///     #[on_info]
///     fn heard(&mut self, said: Arc<Said>) -> Json<Arc<Said>> {
///         Json(said)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let hub = Hub::local();
/// let _router = Router::new().mount::<Guest>().with_state(hub.clone()); // .serve("0.0.0.0:8080")
///
/// let guest = || Test::<Guest>::upgrade("/rooms/lobby").state(hub.clone()).open();
/// let (mut anna, mut ben) = (guest().await.unwrap(), guest().await.unwrap());
/// anna.send("hello").await;
/// assert_eq!(ben.text().await, r#"{"text":"hello"}"#);
/// # }
/// ```
#[derive(Clone)]
pub struct Hub(Arc<Registry>);

/// The topics that are in use, and those that are kept.
#[derive(Default)]
pub(super) struct Registry {
    broker: Option<Box<dyn Broker>>,
    topics: Mutex<Topics>,
}

#[derive(Default)]
struct Topics {
    by_type: HashMap<TypeId, HashMap<Arc<str>, Entry>>,
    /// How many are kept, and at how many those are looked through.
    kept: usize,
    threshold: usize,
}

struct Entry {
    topic: Weak<dyn Any + Send + Sync>,
    /// One with a history outlives its users for a while.
    kept: Option<Arc<dyn Keeps>>,
}

/// A topic with a history.
trait Keeps: Send + Sync {
    /// When nobody will come back for it any more.
    fn expiry(&self) -> Instant;
}

impl<T: Send + Sync + 'static> Keeps for Channel<T> {
    fn expiry(&self) -> Instant {
        Channel::expiry(self)
    }
}

impl Hub {
    /// A hub of this process: no broker, no network.
    ///
    /// ```
    /// # use ws_core::Hub;
    /// let hub = Hub::local();
    /// assert_eq!(hub.topic::<String>("room:lobby").name(), "room:lobby");
    /// ```
    pub fn local() -> Self {
        Self(Arc::default())
    }

    #[cfg(feature = "nats")]
    pub(super) fn of(broker: Box<dyn Broker>) -> Self {
        Self(Arc::new(Registry { broker: Some(broker), topics: Mutex::default() }))
    }

    /// The topic of that name, whose values are written as JSON. Any name will do; whoever asks for
    /// the same name and type gets the same topic. It is forgotten when nobody has it any more.
    #[cfg(feature = "json")]
    pub fn topic<T>(&self, name: impl AsRef<str>) -> Topic<T>
    where
        T: serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
    {
        self.topic_with(name, codec::Json)
    }

    /// The topic of that name, whose values are written by `codec`. Whoever comes first says how:
    /// give everybody the same one.
    pub fn topic_with<T, C>(&self, name: impl AsRef<str>, codec: C) -> Topic<T>
    where
        T: Send + Sync + 'static,
        C: Codec<T>,
    {
        Topic(self.0.channel(name.as_ref(), Box::new(codec)))
    }
}

#[cfg(test)]
impl Hub {
    /// How many topics there are.
    pub(super) fn len(&self) -> usize {
        self.0.lock().by_type.values().map(HashMap::len).sum()
    }
}

impl Registry {
    fn channel<T: Send + Sync + 'static>(
        self: &Arc<Self>,
        name: &str,
        codec: Box<dyn ErasedCodec<T>>,
    ) -> Arc<Channel<T>> {
        let mut topics = self.lock();
        let of_type = topics.by_type.entry(TypeId::of::<T>()).or_default();
        let known = of_type.get(name).and_then(|entry| entry.topic.upgrade());
        if let Some(Ok(channel)) = known.map(Arc::downcast) {
            return channel;
        }
        let name = Arc::<str>::from(name);
        let channel = Channel::new(Arc::clone(&name), Arc::clone(self), codec);
        let topic = Arc::downgrade(&channel) as Weak<dyn Any + Send + Sync>;
        of_type.insert(name, Entry { topic, kept: None });
        channel
    }

    pub(super) fn broker(&self) -> Option<&dyn Broker> {
        self.broker.as_deref()
    }

    /// Keeps a topic that has a history, also when nobody uses it.
    pub(super) fn keep<T: Send + Sync + 'static>(&self, channel: &Arc<Channel<T>>) {
        // Dropped when the lock is not held any more.
        let _expired;
        let mut topics = self.lock();
        let entry =
            topics.by_type.get_mut(&TypeId::of::<T>()).and_then(|topics| topics.get_mut(&channel.name));
        if let Some(entry @ Entry { kept: None, .. }) = entry {
            entry.kept = Some(Arc::clone(channel) as _);
            topics.kept += 1;
        }
        _expired = topics.expire(Instant::now());
    }

    /// A topic is gone, unless another has come in its place.
    pub(super) fn forget(&self, of: TypeId, name: &str) {
        let mut topics = self.lock();
        if let Some(of_type) = topics.by_type.get_mut(&of)
            && of_type.get(name).is_some_and(|entry| entry.topic.strong_count() == 0)
        {
            of_type.remove(name);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Topics> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Topics {
    /// Takes those that nobody uses and nobody will come back for; of more than may be kept, those
    /// that have been idle for longest. They are looked through when there are many more than the last
    /// time, so that each costs little.
    fn expire(&mut self, now: Instant) -> Vec<Arc<dyn Keeps>> {
        if self.kept < self.threshold {
            return Vec::new();
        }
        let entries = self.by_type.values_mut().flat_map(HashMap::values_mut);
        let mut idle: Vec<_> = entries.filter_map(Entry::idle).collect();
        idle.sort_unstable_by_key(|(expiry, _)| *expiry);
        let excess = idle.len().saturating_sub(MAX_IDLE / 2);
        let is_over = |at: usize, expiry: Instant| at < excess || expiry <= now;
        let over = idle.into_iter().enumerate().take_while(|(at, (expiry, _))| is_over(*at, *expiry));
        let expired: Vec<_> = over.filter_map(|(_, (_, kept))| kept.take()).collect();
        self.kept -= expired.len();
        self.threshold = self.kept + self.kept.clamp(64, MAX_IDLE / 2);
        expired
    }
}

impl Entry {
    /// What is kept and nobody uses, and until when.
    fn idle(&mut self) -> Option<(Instant, &mut Option<Arc<dyn Keeps>>)> {
        let kept = self.kept.as_ref().filter(|kept| Arc::strong_count(kept) == 1)?;
        Some((kept.expiry(), &mut self.kept))
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}
