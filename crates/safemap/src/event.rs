//! What happens to the entries of a map, and who is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

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
    /// Whether any of them makes writers wait.
    holds_writers: AtomicBool,
    observers: RwLock<Vec<Observer>>,
    /// What the queues of observers that are gone have seen: a count never falls.
    gone: Mutex<QueueCounts>,
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
        self.note(&observers);
    }

    /// Makes known who there is.
    fn note(&self, observers: &[Observer]) {
        let holds_writers = observers.iter().any(|observer| observer.queue.holds_writers());
        self.holds_writers.store(holds_writers, Ordering::Release);
        self.is_observed.store(!observers.is_empty(), Ordering::Release);
    }

    /// Lets an observer go, of whose queue nothing more is taken.
    pub(crate) fn remove(&self, queue: &Arc<Queue>) {
        queue.close();
        let mut observers = self.observers.write().unwrap_or_else(PoisonError::into_inner);
        let before = observers.len();
        observers.retain(|observer| !Arc::ptr_eq(&observer.queue, queue));
        self.note(&observers);
        if observers.len() < before {
            let counts = queue.counts();
            let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
            gone.dropped += counts.dropped;
            gone.taken += counts.taken;
        }
    }

    /// Whether anybody is to be told of anything; one load.
    #[inline]
    pub(crate) fn is_observed(&self) -> bool {
        self.is_observed.load(Ordering::Acquire)
    }

    /// Whether anybody is to be told of a change of a key; one load where nobody watches anything.
    #[inline]
    pub(crate) fn is_wanted(&self, change: Change, key: &str) -> bool {
        self.is_observed() && self.is_wanted_by_any(change, key)
    }

    #[cold]
    fn is_wanted_by_any(&self, change: Change, key: &str) -> bool {
        let observers = self.observers.read().unwrap_or_else(PoisonError::into_inner);
        observers.iter().any(|observer| observer.wants(change, key))
    }

    /// Waits for the observers that want writers to wait and are to be told of one of these changes
    /// of a key. Called with no lock held.
    pub(crate) fn wait_for_room(&self, key: &str, changes: &[Change]) -> Result<(), Error> {
        if !self.holds_writers.load(Ordering::Acquire) {
            return Ok(());
        }
        let observers = self.observers.read().unwrap_or_else(PoisonError::into_inner);
        let waited_for: Vec<_> = observers
            .iter()
            .filter(|observer| {
                observer.queue.holds_writers()
                    && changes.iter().any(|change| observer.wants(*change, key))
            })
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

    /// The counts of the queues of all observers, those that are gone included; of those that wait,
    /// the most in one of them.
    #[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "metrics alone ask for it"))]
    pub(crate) fn counts(&self) -> QueueCounts {
        // Under the lock: nobody goes meanwhile, and is counted twice or not at all.
        let observers = self.observers.read().unwrap_or_else(PoisonError::into_inner);
        let mut total = *self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        for observer in observers.iter() {
            let counts = observer.queue.counts();
            total.waiting = total.waiting.max(counts.waiting);
            total.dropped += counts.dropped;
            total.taken += counts.taken;
        }
        total
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
/// // Who removes a session waits for room; who writes one is not told of, and does not.
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
/// As an iterator it waits for the next notice, and ends with the map; [`Watch::next_within`] waits no
/// longer than it is told. All of these block their thread. Code that may not be blocked, as that of an
/// async runtime, sets up a [hook](WatchBuilder::hook) that sends to a channel of the runtime, and
/// waits for that: what wakes a task is not called by writers, who hold a lock when they tell.
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

    /// The next notice, if there is one within so long. That there was none in time, or that the map
    /// is gone and all has been told, [`Watch::is_over`] tells apart.
    pub fn next_within(&self, time: Duration) -> Option<Notice> {
        self.queue.pop_waiting(Some(time))
    }

    /// Whether the map is gone, and all that happened to it has been told.
    pub fn is_over(&self) -> bool {
        self.queue.is_over()
    }

    /// How many events were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.queue.counts().dropped
    }
}

impl Iterator for Watch {
    type Item = Notice;

    fn next(&mut self) -> Option<Notice> {
        self.queue.pop_waiting(None)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(hub) = self.hub.upgrade() {
            hub.remove(&self.queue);
        }
    }
}
