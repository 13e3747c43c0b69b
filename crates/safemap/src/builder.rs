//! How a map is set up.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::alert::{Alert, Listener};
use crate::audit::AuditState;
use crate::bounds::{Eviction, Limits};
use crate::breaker::{Breaker, Circuit};
use crate::clock::{Clock, SystemClock};
use crate::event::Hub;
use crate::latency::Latency;
use crate::map::{Inner, SafeMap};
use crate::refusals::Refusals;
use crate::schema::Schema;
use crate::store::{Life, Store};

/// What a shard should hold at least: tables of a few entries would take up a bound of less.
const BYTES_OF_A_SHARD: usize = 16 << 10;

/// Sets a [`SafeMap`] up.
///
/// ```
/// use tophash_safemap::{Breaker, Eviction, SafeMap, Schema, Type};
///
/// let schema = Schema::builder().key("session.*", Type::string()).build()?;
/// let map = SafeMap::builder(schema)
///     .name("sessions")
///     .max_entries(100_000)
///     .max_bytes(64 << 20)
///     .eviction(Eviction::LeastRecentlyUsed)
///     .breaker(Breaker::default())
///     .build();
/// assert_eq!(map.name(), "sessions");
/// # Ok::<(), tophash_safemap::SchemaError>(())
/// ```
#[derive(Debug)]
pub struct SafeMapBuilder {
    schema: Schema,
    name: String,
    limits: Limits,
    breaker: Option<Breaker>,
    clock: Arc<dyn Clock>,
    shards: usize,
    listeners: Vec<Listener>,
}

impl SafeMapBuilder {
    pub(crate) fn new(schema: Schema) -> Self {
        Self {
            schema,
            name: "map".to_owned(),
            limits: Limits {
                entries: usize::MAX,
                bytes: usize::MAX,
                eviction: Eviction::default(),
            },
            breaker: None,
            clock: Arc::new(SystemClock::new()),
            shards: default_shards(),
            listeners: Vec::new(),
        }
    }

    /// The name of the map in metrics and audits; `map` unless said.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Bounds the number of entries, expired ones that were not met yet included.
    #[must_use]
    pub fn max_entries(mut self, entries: usize) -> Self {
        self.limits.entries = entries;
        self
    }

    /// Bounds the bytes of the tables, keys and contents together.
    ///
    /// What an allocator rounds up does not count, nor does the old table while a shard moves to a
    /// new one.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.limits.bytes = bytes;
        self
    }

    /// What goes when a bound would be passed; nothing unless said, and the write is refused.
    #[must_use]
    pub fn eviction(mut self, eviction: Eviction) -> Self {
        self.limits.eviction = eviction;
        self
    }

    /// Makes the map read-only while too many writes fail; there is no breaker unless said.
    #[must_use]
    pub fn breaker(mut self, breaker: Breaker) -> Self {
        self.breaker = Some(breaker);
        self
    }

    /// Who is told when the breaker opens or closes; each one that is given, in that order.
    ///
    /// The function runs on the thread of the write that made it so, with no lock held; what takes
    /// long belongs elsewhere.
    #[must_use]
    pub fn on_alert(mut self, listener: impl Fn(&Alert) + Send + Sync + 'static) -> Self {
        self.listeners.push(Listener(Arc::new(listener)));
        self
    }

    /// Where the time comes from; the system unless said.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Into how many parts the map is divided, each with a lock of its own: rounded up to a power
    /// of two. Four for each processor, and 16 at least, unless said; more do not help, and make small
    /// maps larger.
    #[must_use]
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// Makes the map. One that is bounded in bytes has no more shards than have 16 KiB each.
    pub fn build(self) -> SafeMap {
        let lives = self.schema.rules_in_full().map(|rule| Life {
            ttl: rule.ttl.map(millis),
            idle: rule.idle.map(millis),
            is_required: rule.is_required,
        });
        let lives = lives.collect();
        let most_shards = (self.limits.bytes / BYTES_OF_A_SHARD).max(1);
        let store = Store::new(
            self.shards.min(1 << most_shards.ilog2()),
            self.limits,
            Arc::clone(&self.clock),
            &self.schema,
            Arc::new(Hub::default()),
        );
        let refusals = Refusals::new(self.breaker.as_ref().unwrap_or(&Breaker::default()).span());
        let circuit = self.breaker.map(|config| Circuit::new(config, store.now()));
        SafeMap {
            inner: Arc::new(Inner {
                name: self.name.into(),
                takes_any: self.schema.takes_any(),
                schema: self.schema,
                lives,
                store,
                limits: self.limits,
                circuit,
                refusals,
                clock: self.clock,
                audit: AuditState::default(),
                latency: Latency::default(),
                listeners: self.listeners,
                auditors: Mutex::default(),
            }),
        }
    }
}

/// Four shards for each processor, which is asked for once.
fn default_shards() -> usize {
    static SHARDS: OnceLock<usize> = OnceLock::new();
    *SHARDS.get_or_init(|| {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        (4 * processors).clamp(16, 256)
    })
}

/// A time that is not nothing does not become nothing.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}
