//! What happens to the entries of a map, and who is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use crate::error::Error;
use crate::pattern::KeyPattern;
use crate::queue::{Notice, Overflow, Queue, QueueCounts};
use crate::value::Value;

/// What happened to an entry.
///
/// ```
/// use tophash_safemap::Change;
///
/// assert_ne!(Change::Expired, Change::Evicted);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// It was added, or its value was replaced.
    Written,
    /// It was removed by a caller.
    Removed,
    /// Its time was up.
    Expired,
    /// It had to make room.
    Evicted,
    /// A write of it was refused; the entry is as it was.
    Refused,
}

impl Change {
    /// The change in one word, as sinks write it.
    ///
    /// ```
    /// assert_eq!(tophash_safemap::Change::Written.name(), "written");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Removed => "removed",
            Self::Expired => "expired",
            Self::Evicted => "evicted",
            Self::Refused => "refused",
        }
    }
}

/// Something that happened to an entry, after it was validated and done.
///
/// ```
/// use tophash_safemap::{Change, Notice, SafeMap, Schema};
///
/// let map = SafeMap::new(Schema::open());
/// let watch = map.watch("user.*".parse()?).start();
/// map.set("user.7", "Ada")?;
/// let Some(Notice::Event(event)) = watch.try_next() else { panic!() };
/// assert_eq!((event.change, &*event.key), (Change::Written, "user.7"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub change: Change,
    /// The entry's key.
    pub key: Arc<str>,
    /// The new value; of an entry that is gone, the last.
    pub value: Option<Value>,
    /// A number that grows with every change of the key; 0 of what was refused.
    pub version: u64,
    /// Why a write was refused.
    pub error: Option<Arc<Error>>,
}

/// All observers of a map.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    is_observed: AtomicBool,
    observers: RwLock<Vec<Observer>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Observer {
    pub(crate) pattern: KeyPattern,
    pub(crate) changes: Vec<Change>,
    pub(crate) queue: Arc<Queue>,
}

impl Observer {
    fn wants(&self, change: Change, key: &str) -> bool {
        (self.changes.is_empty() || self.changes.contains(&change)) && self.pattern.matches(key)
    }
}

impl Hub {
    pub(crate) fn add(&self, observer: Observer) {
        let mut observers = self.observers.write().unwrap_or_else(PoisonError::into_inner);
        observers.push(observer);
        self.is_observed.store(true, Ordering::Release);
    }

    pub(crate) fn remove(&self, queue: &Arc<Queue>) {
        let mut observers = self.observers.write().unwrap_or_else(PoisonError::into_inner);
        observers.retain(|observer| !Arc::ptr_eq(&observer.queue, queue));
        self.is_observed.store(!observers.is_empty(), Ordering::Release);
        queue.close();
    }

    /// Whether anybody is to be told of anything; one load.
    #[inline]
    pub(crate) fn is_observed(&self) -> bool {
        self.is_observed.load(Ordering::Acquire)
    }

    /// Waits for the observers of a key that want writers to wait. Called with no lock held.
    pub(crate) fn wait_for_room(&self, key: &str) -> Result<(), Error> {
        if !self.is_observed() {
            return Ok(());
        }
        let observers = self.observers.read().unwrap_or_else(PoisonError::into_inner);
        let waited_for: Vec<_> = observers
            .iter()
            .filter(|observer| observer.queue.holds_writers() && observer.pattern.matches(key))
            .map(|observer| Arc::clone(&observer.queue))
            .collect();
        // While a writer waits, observers may come and go.
        drop(observers);
        if waited_for.iter().all(|queue| queue.wait_for_room()) {
            Ok(())
        } else {
            Err(Error::Backpressure { key: key.into() })
        }
    }

    /// Tells the observers of a key; never waits for them.
    pub(crate) fn tell(&self, event: &Event) {
        let observers = self.observers.read().unwrap_or_else(PoisonError::into_inner);
        for observer in observers.iter().filter(|observer| observer.wants(event.change, &event.key))
        {
            observer.queue.push(event);
        }
    }

    /// As [`Hub::tell`], but waits for observers that want to be waited for.
    pub(crate) fn tell_waiting(&self, event: &Event) {
        let observers = self.observers.read().unwrap_or_else(PoisonError::into_inner);
        let told: Vec<_> = observers
            .iter()
            .filter(|observer| observer.wants(event.change, &event.key))
            .map(|observer| Arc::clone(&observer.queue))
            .collect();
        drop(observers);
        for queue in told {
            queue.push_waiting(event);
        }
    }

    /// Tells all observers that so many events are lost to them.
    pub(crate) fn miss(&self, count: u64) {
        let observers = self.observers.read().unwrap_or_else(PoisonError::into_inner);
        for observer in observers.iter() {
            observer.queue.miss(count);
        }
    }

    /// Ends all observers: nothing will happen any more.
    pub(crate) fn close(&self) {
        let observers = self.observers.read().unwrap_or_else(PoisonError::into_inner);
        for observer in observers.iter() {
            observer.queue.close();
        }
    }

    /// The counts of each observer's queue.
    #[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "metrics alone ask for it"))]
    pub(crate) fn counts(&self) -> Vec<QueueCounts> {
        let observers = self.observers.read().unwrap_or_else(PoisonError::into_inner);
        observers.iter().map(|observer| observer.queue.counts()).collect()
    }
}

/// Sets a [`Watch`] or a [`Hook`](crate::Hook) up; made by [`SafeMap::watch`](crate::SafeMap::watch).
///
/// ```
/// use std::time::Duration;
/// use tophash_safemap::{Change, Overflow, SafeMap, Schema};
///
/// let map = SafeMap::new(Schema::open());
/// let gone = map
///     .watch("session.*".parse()?)
///     .changes([Change::Removed, Change::Expired, Change::Evicted])
///     .capacity(10_000)
///     .overflow(Overflow::Wait(Duration::from_millis(50)))
///     .start();
/// assert!(gone.try_next().is_none());
/// # Ok::<(), tophash_safemap::SchemaError>(())
/// ```
#[derive(Debug)]
pub struct WatchBuilder {
    pub(crate) hub: Arc<Hub>,
    pub(crate) pattern: KeyPattern,
    pub(crate) changes: Vec<Change>,
    pub(crate) capacity: usize,
    pub(crate) overflow: Overflow,
    pub(crate) retries: u32,
}

impl WatchBuilder {
    pub(crate) fn new(hub: &Arc<Hub>, pattern: KeyPattern) -> Self {
        Self {
            hub: Arc::clone(hub),
            pattern,
            changes: Vec::new(),
            capacity: 1024,
            overflow: Overflow::default(),
            retries: 0,
        }
    }

    /// Tells of these changes only; without it, of all.
    #[must_use]
    pub fn changes(mut self, changes: impl IntoIterator<Item = Change>) -> Self {
        self.changes = changes.into_iter().collect();
        self
    }

    /// How many events wait at most; 1024 unless said.
    #[must_use]
    pub fn capacity(mut self, events: usize) -> Self {
        self.capacity = events;
        self
    }

    /// What happens when so many wait; the oldest are dropped unless said.
    #[must_use]
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// How often a hook is called again for what it failed on; not at all unless said.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    pub(crate) fn attach(self) -> Arc<Queue> {
        let queue = Arc::new(Queue::new(self.capacity, self.overflow));
        self.hub.add(Observer {
            pattern: self.pattern,
            changes: self.changes,
            queue: Arc::clone(&queue),
        });
        queue
    }

    /// Starts to watch: what happens from now on is told.
    pub fn start(self) -> Watch {
        let hub = Arc::downgrade(&self.hub);
        Watch { hub, queue: self.attach() }
    }
}

/// Receives what happens to the entries of a pattern, those of a key in the order of its changes.
///
/// ```
/// use tophash_safemap::{Change, Notice, SafeMap, Schema};
///
/// let map = SafeMap::new(Schema::open());
/// let watch = map.watch("job.*".parse()?).changes([Change::Removed]).start();
/// map.set("job.1", "running")?;
/// map.remove("job.1")?;
/// drop(map);
/// let told: Vec<_> = watch.collect();
/// assert_eq!(told.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// As an iterator it waits for the next notice, and ends with the map.
#[derive(Debug)]
pub struct Watch {
    hub: Weak<Hub>,
    queue: Arc<Queue>,
}

impl Watch {
    /// The next notice, if there is one by now.
    pub fn try_next(&self) -> Option<Notice> {
        self.queue.try_pop()
    }

    /// How many events were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.queue.counts().dropped
    }
}

impl Iterator for Watch {
    type Item = Notice;

    fn next(&mut self) -> Option<Notice> {
        self.queue.pop_waiting()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(hub) = self.hub.upgrade() {
            hub.remove(&self.queue);
        }
    }
}
