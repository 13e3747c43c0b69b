//! What a map has around its entries when those lie in another store: breaker, alerts, refusals,
//! counts, times and audits.
//!
//! A [`SafeMap`](crate::SafeMap) has all this around its own shards. A map over a server has it around
//! calls, which fail in one more way: by a fault of the store or of the way to it, for which no key is
//! to blame. A fault counts as a failed write all the same, so that the breaker spares a server that
//! does not answer. Sizes are those that the store told last; nothing here asks it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use crate::alert::{self, Alert, Listener};
use crate::audit::{AgedKey, AuditRecord, AuditState, Operations, PatternShape, RefusedKey};
use crate::audit::{MOST_NAMED, came, seconds_since_1970};
use crate::breaker::{Breaker, BreakerState, Circuit, Pass};
use crate::clock::{Clock, SystemClock};
use crate::error::Error;
use crate::feed::ChangeFeed;
use crate::growth::Growth;
use crate::latency::{Latency, Sort};
use crate::map::{is_failure, is_refusal};
use crate::refusals::{Hint, Refusals};
use crate::schema::Schema;

/// Why a call of a store failed, as far as a [`Supervisor`] has to know.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure<'e> {
    /// What was to be written was refused, or another writer was first.
    Refused(&'e Error),
    /// The store, or the way to it, is at fault.
    Faulty(String),
}

/// The error of a store whose calls a [`Supervisor`] watches.
pub trait StoreError: From<Error> {
    /// Why the call failed.
    fn failure(&self) -> Failure<'_>;
}

/// Watches over a map whose entries another store holds: lets writes through its breaker, tells of
/// alerts, remembers what was refused, and makes audits.
///
/// ```
/// use tophash_safemap::{Error, Failure, Schema, StoreError, Supervisor};
///
/// #[derive(Debug)]
/// enum Fault {
///     Map(Error),
///     Cut,
/// }
/// impl From<Error> for Fault {
///     fn from(error: Error) -> Self {
///         Self::Map(error)
///     }
/// }
/// impl StoreError for Fault {
///     fn failure(&self) -> Failure<'_> {
///         match self {
///             Self::Map(error) => Failure::Refused(error),
///             Self::Cut => Failure::Faulty("the wire is cut".to_owned()),
///         }
///     }
/// }
///
/// let supervisor = Supervisor::builder().build("far", Schema::open());
/// let written = supervisor.write("a", || Err::<(), _>(Fault::Cut));
/// assert!(written.is_err());
/// assert_eq!(supervisor.operations().refusals, 0);
/// ```
#[derive(Debug)]
pub struct Supervisor {
    name: Arc<str>,
    schema: Schema,
    circuit: Option<Circuit>,
    refusals: Refusals,
    faults: Mutex<Faults>,
    listeners: Vec<Listener>,
    clock: Arc<dyn Clock>,
    feed: ChangeFeed,
    latency: Latency,
    audit: AuditState,
    counts: Counts,
    entries: AtomicU64,
    bytes: AtomicU64,
    is_closed: AtomicBool,
    /// Threads that audit the map, to be woken when it goes.
    auditors: Mutex<Vec<Thread>>,
}

/// Faults of the store since the breaker last opened, and how many refusals there were then.
#[derive(Debug, Default)]
struct Faults {
    count: u64,
    last: String,
    refusals_before: u64,
}

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
    writes: AtomicU64,
    removals: AtomicU64,
    evictions: AtomicU64,
    /// Calls that were to write and did not fail.
    succeeded: AtomicU64,
}

/// Sets a [`Supervisor`] up.
#[derive(Clone, Debug)]
pub struct SupervisorBuilder {
    breaker: Option<Breaker>,
    listeners: Vec<Listener>,
    clock: Arc<dyn Clock>,
}

impl SupervisorBuilder {
    /// Lets no write through while too many fail; there is no breaker unless said.
    #[must_use]
    pub fn breaker(mut self, breaker: Breaker) -> Self {
        self.breaker = Some(breaker);
        self
    }

    /// Who is told when the breaker opens or closes; each one that is given, in that order.
    #[must_use]
    pub fn on_alert(mut self, listener: impl Fn(&Alert) + Send + Sync + 'static) -> Self {
        self.listeners.push(Listener(Arc::new(listener)));
        self
    }

    /// Where the breaker and audits have the time from; the system unless said.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Makes it, for a map of this name and schema.
    pub fn build(self, name: &str, schema: Schema) -> Supervisor {
        let now = millis(self.clock.now());
        let refusals = Refusals::new(self.breaker.as_ref().unwrap_or(&Breaker::default()).span());
        Supervisor {
            name: name.into(),
            schema,
            circuit: self.breaker.map(|breaker| Circuit::new(breaker, now)),
            refusals,
            faults: Mutex::default(),
            listeners: self.listeners,
            clock: self.clock,
            feed: ChangeFeed::default(),
            latency: Latency::default(),
            audit: AuditState::default(),
            counts: Counts::default(),
            entries: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            auditors: Mutex::default(),
        }
    }
}

/// What a store holds, for an audit.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Holding {
    /// Each entry that has not expired.
    pub entries: Vec<HeldEntry>,
    /// Bytes, as the store counts them.
    pub bytes: u64,
    /// The bound on entries, if there is one.
    pub max_entries: Option<u64>,
    /// The bound on bytes, if there is one.
    pub max_bytes: Option<u64>,
}

/// An entry of a [`Holding`], without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldEntry {
    /// The key.
    pub key: Arc<str>,
    /// Bytes of the key and the content.
    pub bytes: u64,
    /// How long ago it came to be.
    pub age: Duration,
    /// How often it was written since.
    pub writes: u64,
}

impl HeldEntry {
    /// An entry of a key, so many bytes, so old, and written so often.
    pub fn new(key: Arc<str>, bytes: u64, age: Duration, writes: u64) -> Self {
        Self { key, bytes, age, writes }
    }
}

impl Supervisor {
    /// Starts to set one up.
    pub fn builder() -> SupervisorBuilder {
        SupervisorBuilder {
            breaker: None,
            listeners: Vec::new(),
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// The map's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The map's schema.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The observers of the map, to whom refusals are told here and all else by who hears of it.
    pub fn feed(&self) -> &ChangeFeed {
        &self.feed
    }

    /// A read of a key: timed, and counted by whether it found something.
    ///
    /// # Errors
    ///
    /// Returns the error of the read.
    pub fn read<R, E: StoreError>(
        &self,
        key: &str,
        read: impl FnOnce() -> Result<Option<R>, E>,
    ) -> Result<Option<R>, E> {
        let start = self.latency.start();
        let result = read();
        self.latency.end(Sort::Read, start);
        match &result {
            Ok(Some(_)) => add(&self.counts.hits, 1),
            Ok(None) => add(&self.counts.misses, 1),
            Err(error) => self.note_refused_read(key, error),
        }
        result
    }

    /// A look at a key, which is no use of it: neither timed nor counted.
    ///
    /// # Errors
    ///
    /// Returns the error of the look.
    pub fn peek<R, E: StoreError>(
        &self,
        key: &str,
        peek: impl FnOnce() -> Result<R, E>,
    ) -> Result<R, E> {
        peek().inspect_err(|error| self.note_refused_read(key, error))
    }

    /// A read that is refused is told as a write is, but opens no breaker.
    fn note_refused_read(&self, key: &str, error: &impl StoreError) {
        if let Failure::Refused(refusal) = error.failure()
            && is_refusal(refusal)
        {
            self.note_refusals(key, refusal);
        }
    }

    /// A write, behind the breaker; `key` is told to who asks about a refusal that names none.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::ReadOnly`] while the breaker is open, and returns the error of the write.
    pub fn write<R, E: StoreError>(
        &self,
        key: &str,
        write: impl FnOnce() -> Result<R, E>,
    ) -> Result<R, E> {
        let pass = match &self.circuit {
            None => Pass::Ordinary,
            Some(circuit) => circuit
                .admit(|| self.now())
                .map_err(|(remaining, hint)| Error::ReadOnly { remaining, hint })?,
        };
        let start = self.latency.start();
        let result = write();
        self.latency.end(Sort::Write, start);
        match &result {
            Ok(_) => {
                add(&self.counts.succeeded, 1);
                let closes = self.circuit.as_ref().is_some_and(|circuit| {
                    circuit.succeeded(pass, || self.now(), || self.succeeded())
                });
                if closes {
                    self.alert(BreakerState::Closed, String::new());
                }
            }
            Err(error) => self.note_failure(key, &error.failure(), pass),
        }
        result
    }

    /// Notes a write that failed before anything came of it, so that no breaker had to be asked:
    /// a transaction that gave up, say. It counts as one that the store was asked for.
    pub fn failed(&self, key: &str, error: &impl StoreError) {
        self.note_failure(key, &error.failure(), Pass::Ordinary);
    }

    #[cold]
    fn note_failure(&self, key: &str, failure: &Failure<'_>, pass: Pass) {
        match failure {
            Failure::Refused(error) => {
                if is_refusal(error) {
                    self.note_refusals(key, error);
                }
                if !is_failure(error) {
                    if let Some(circuit) = &self.circuit {
                        circuit.withdrawn(pass);
                    }
                    return;
                }
            }
            Failure::Faulty(fault) => {
                let mut faults = self.faults();
                faults.count += 1;
                faults.last.clone_from(fault);
            }
        }
        let Some(circuit) = &self.circuit else { return };
        if let Some(hint) = circuit.failed(pass, self.now(), || self.succeeded(), || self.hint()) {
            self.alert(BreakerState::Open, hint);
        }
    }

    fn note_refusals(&self, key: &str, error: &Error) {
        for fault in error.each() {
            self.note_refusal(fault.key().unwrap_or(key), fault);
        }
    }

    fn note_refusal(&self, key: &str, error: &Error) {
        let rule = self.schema.number(key);
        let expected = rule.and_then(|rule| self.schema.rule(rule).value_type.kind());
        self.refusals.note(key, error, expected, self.now());
        self.feed.refuse(key, error);
    }

    /// The probable cause of the failures since the last time: the more frequent of the two.
    fn hint(&self) -> Hint {
        let mut faults = self.faults();
        let total = self.refusals.total();
        let refused = total.saturating_sub(faults.refusals_before);
        let Faults { count, last, .. } = std::mem::take(&mut *faults);
        faults.refusals_before = total;
        drop(faults);
        if count < refused {
            // How often a key was written the store alone knows.
            return self.refusals.hint(self.now(), None);
        }
        Hint {
            text: format!("the store failed {count} times, the last time so: {last}"),
            cause: format!("the store failed, the last time so: {last}"),
        }
    }

    fn alert(&self, state: BreakerState, hint: String) {
        alert::tell(&self.listeners, || {
            let (map, failure_rate) = (self.name.as_ref().to_owned(), self.write_failure_rate());
            Alert { map, state, failure_rate, hint }
        });
    }

    /// What the breaker lets through; without one, all.
    pub fn breaker_state(&self) -> BreakerState {
        self.circuit.as_ref().map_or(BreakerState::Closed, Circuit::state)
    }

    /// The share of writes that failed lately, from 0 to 1, as the breaker sees it; 0 without one.
    pub fn write_failure_rate(&self) -> f64 {
        let circuit = self.circuit.as_ref();
        circuit.map_or(0.0, |circuit| circuit.failure_rate(self.now(), self.succeeded()))
    }

    /// Counts entries that were written and removed.
    pub fn note_changes(&self, written: u64, removed: u64) {
        add(&self.counts.writes, written);
        add(&self.counts.removals, removed);
    }

    /// Counts entries that the store evicted to make room for what this process wrote.
    pub fn note_evictions(&self, evicted: u64) {
        if evicted > 0 {
            add(&self.counts.evictions, evicted);
        }
    }

    /// Notes how large the store has said that the map is.
    pub fn note_size(&self, entries: u64, bytes: u64) {
        self.entries.store(entries, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
        self.audit.note_bytes(bytes);
    }

    /// What was done by this process. What expired the store's other users may have met first, so that
    /// it is not counted.
    pub fn operations(&self) -> Operations {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Operations {
            hits: get(&self.counts.hits),
            misses: get(&self.counts.misses),
            writes: get(&self.counts.writes),
            removals: get(&self.counts.removals),
            evictions: get(&self.counts.evictions),
            refusals: self.refusals.total(),
            ..Operations::default()
        }
    }

    /// The patterns whose entries have done nothing but grow over the last audits.
    pub fn growths(&self) -> Vec<Growth> {
        self.audit.growths()
    }

    /// Makes a record of what the store holds. What was read, and how often, a store does not know.
    pub fn audit(&self, holding: &Holding) -> AuditRecord {
        let entries = &holding.entries;
        self.note_size(entries.len() as u64, holding.bytes);
        let mut shapes = vec![(0, 0); self.schema.rules_in_full().count()];
        for entry in entries {
            let rule = self.schema.number(&entry.key).map(usize::from);
            if let Some((count, bytes)) = rule.and_then(|rule| shapes.get_mut(rule)) {
                *count += 1;
                *bytes += entry.bytes;
            }
        }
        let shapes = shapes.into_iter().enumerate().filter(|(_, (count, _))| *count > 0);
        let patterns = shapes.map(|(rule, (entries, bytes))| PatternShape {
            pattern: self.schema.pattern(rule as u16).as_str().to_owned(),
            entries,
            bytes,
            never_read: None,
        });
        let mut oldest: Vec<&HeldEntry> = entries.iter().collect();
        oldest.sort_by(|a, b| (b.age, &b.key).cmp(&(a.age, &a.key)));
        let oldest = oldest.iter().take(MOST_NAMED).map(|entry| AgedKey {
            key: entry.key.as_ref().to_owned(),
            seconds: entry.age.as_secs(),
        });
        let written = |key: &str| {
            let entry = entries.iter().find(|entry| *entry.key == *key);
            entry.map_or(0, |entry| entry.writes)
        };
        let refused = self.refusals.worst(MOST_NAMED).into_iter();
        let refused = refused.map(|(key, refused)| RefusedKey {
            count: refused.count(),
            expected: refused.expected.map(|kind| kind.name().to_owned()),
            written: written(&key),
            came: came(&refused.kinds),
            last: refused.last,
            key: key.as_ref().to_owned(),
        });
        let record = AuditRecord {
            map: self.name.as_ref().to_owned(),
            process: std::process::id(),
            at: seconds_since_1970(self.clock.wall()),
            entries: entries.len() as u64,
            bytes: holding.bytes,
            peak_bytes: self.audit.note_bytes(holding.bytes),
            max_entries: holding.max_entries,
            max_bytes: holding.max_bytes,
            operations: self.operations(),
            patterns: patterns.collect(),
            refused: refused.collect(),
            oldest: oldest.collect(),
            hottest: Vec::new(),
        };
        self.audit.note_shape(&record);
        record
    }

    /// Ends all watches and audits: the map is gone.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.feed.close();
        for auditor in &*self.auditors() {
            auditor.unpark();
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    pub(crate) fn auditors(&self) -> MutexGuard<'_, Vec<Thread>> {
        self.auditors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        millis(self.clock.now())
    }

    fn succeeded(&self) -> u64 {
        self.counts.succeeded.load(Ordering::Relaxed)
    }
}

#[cfg(feature = "metrics")]
impl Supervisor {
    /// Entries and bytes, as the store said last.
    pub(crate) fn size(&self) -> (u64, u64) {
        (self.entries.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    pub(crate) fn latency(&self) -> &Latency {
        &self.latency
    }

    pub(crate) fn cause(&self) -> Option<String> {
        self.circuit.as_ref().and_then(Circuit::cause)
    }

    pub(crate) fn times_opened(&self) -> u64 {
        self.circuit.as_ref().map_or(0, Circuit::times_opened)
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::event::Change;
    use crate::queue::Notice;
    use crate::rule::Type;

    #[derive(Debug, thiserror::Error)]
    enum Fault {
        #[error(transparent)]
        Map(#[from] Error),
        #[error("the wire is cut")]
        Cut,
    }

    impl StoreError for Fault {
        fn failure(&self) -> Failure<'_> {
            match self {
                Self::Map(error) => Failure::Refused(error),
                Self::Cut => Failure::Faulty(self.to_string()),
            }
        }
    }

    struct Far {
        supervisor: Supervisor,
        clock: Arc<ManualClock>,
        said: Arc<Mutex<Vec<String>>>,
    }

    fn far() -> Far {
        let clock = Arc::new(ManualClock::new());
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        let supervisor = Supervisor::builder()
            .breaker(Breaker::default())
            .clock(clock.clone())
            .on_alert(move |alert| heard.lock().unwrap().push(alert.to_string()));
        let schema = Schema::builder().key("count.*", Type::integer()).build().unwrap();
        Far { supervisor: supervisor.build("far", schema), clock, said }
    }

    impl Far {
        fn write(&self, outcome: Result<(), Fault>) -> Result<(), Fault> {
            self.clock.advance(Duration::from_millis(100));
            self.supervisor.write("count.a", || outcome)
        }

        fn refused(&self) -> Fault {
            self.supervisor.schema.check("count.a", &"x".into()).unwrap_err().into()
        }
    }

    #[test]
    fn faults_of_the_store_open_the_breaker_and_are_named_as_the_cause() {
        let far = far();
        let mut calls = 0;
        while far.supervisor.breaker_state() == BreakerState::Closed && calls < 1000 {
            calls += 1;
            let _ = far.write(if calls % 2 == 0 { Ok(()) } else { Err(Fault::Cut) });
        }
        assert_eq!(calls, 51);
        let mut was_called = false;
        let refused = far.supervisor.write("count.a", || {
            was_called = true;
            Ok::<_, Fault>(())
        });
        assert!(matches!(refused, Err(Fault::Map(Error::ReadOnly { .. }))));
        assert!(!was_called, "an open breaker spares the store");
        far.clock.advance(Duration::from_secs(10));
        for _ in 0..5 {
            far.write(Ok(())).unwrap();
        }
        assert_eq!(far.supervisor.breaker_state(), BreakerState::Closed);
        assert_eq!(
            *far.said.lock().unwrap(),
            [
                "SafeMap@far is read-only: 51.0 % of writes failed. the store failed 26 times, the \
                 last time so: the wire is cut",
                "SafeMap@far takes writes again"
            ]
        );
    }

    #[test]
    fn refusals_are_told_and_named_as_the_cause_where_they_are_the_more() {
        let far = far();
        let watch = far.supervisor.feed().watch("**".parse().unwrap()).start();
        for call in 0..1000 {
            let outcome = if call % 10 == 0 { Fault::Cut } else { far.refused() };
            let _ = far.write(Err(outcome));
        }
        let said = far.said.lock().unwrap().clone();
        assert!(said[0].contains("\"count.a\" came 45 times as string"), "{}", said[0]);
        let Some(Notice::Event(event)) = watch.try_next() else { panic!() };
        assert_eq!((event.change, &*event.key), (Change::Refused, "count.a"));
        let unknown = far.supervisor.read("x", || {
            Err::<Option<()>, Fault>(far.supervisor.schema.find("x").unwrap_err().into())
        });
        assert!(unknown.is_err());
        let record = far.supervisor.audit(&Holding::default());
        assert!(record.refused.iter().any(|refused| refused.key == "x"));
    }

    #[test]
    fn a_race_that_was_lost_is_no_failure() {
        let far = far();
        for _ in 0..200 {
            far.write(Err(Error::Stale.into())).unwrap_err();
        }
        assert_eq!(far.supervisor.breaker_state(), BreakerState::Closed);
        assert_eq!(far.supervisor.operations().refusals, 0);
    }

    #[test]
    fn what_fails_before_the_store_is_asked_counts_and_uses_up_no_probe() {
        let far = far();
        while far.supervisor.breaker_state() == BreakerState::Closed {
            far.clock.advance(Duration::from_millis(100));
            far.supervisor.failed("count.a", &far.refused());
        }
        far.clock.advance(Duration::from_secs(10));
        far.write(Ok(())).unwrap();
        assert_eq!(far.supervisor.breaker_state(), BreakerState::HalfOpen);
        for _ in 0..10 {
            far.supervisor.failed("count.a", &far.refused());
            let given_up = Error::GivenUp { reason: "mine".to_owned() };
            far.supervisor.failed("", &Fault::Map(given_up));
        }
        for _ in 0..4 {
            far.write(Ok(())).unwrap();
        }
        assert_eq!(far.supervisor.breaker_state(), BreakerState::Closed);
    }

    #[test]
    fn a_store_that_is_full_opens_no_breaker() {
        let far = far();
        for _ in 0..200 {
            let full = Error::Full { key: "count.a".into(), bound: "entries", most: None };
            assert!(matches!(far.write(Err(full.into())), Err(Fault::Map(Error::Full { .. }))));
        }
        assert_eq!(far.supervisor.breaker_state(), BreakerState::Closed);
        assert_eq!(far.supervisor.operations().refusals, 200);
    }

    #[test]
    fn audits_tell_what_a_store_holds_and_find_growth() {
        let far = far();
        let holding = |count: u64| Holding {
            entries: (0..count)
                .map(|number| HeldEntry {
                    key: format!("count.{number}").into(),
                    bytes: 10,
                    age: Duration::from_secs(1000 - number),
                    writes: number,
                })
                .collect(),
            bytes: 10 * count,
            max_entries: Some(1000),
            max_bytes: None,
        };
        let _ = far.supervisor.write("count.7", || {
            Err::<(), Fault>(
                far.supervisor.schema.check("count.7", &"x".into()).unwrap_err().into(),
            )
        });
        for round in 1..=5 {
            far.supervisor.audit(&holding(100 * round));
            far.clock.advance(Duration::from_secs(3600));
        }
        let record = far.supervisor.audit(&holding(500));
        assert_eq!((record.entries, record.bytes, record.peak_bytes), (500, 5000, 5000));
        assert_eq!(record.patterns[0].entries, 500);
        assert_eq!(record.patterns[0].never_read, None);
        assert_eq!((&*record.oldest[0].key, record.oldest[0].seconds), ("count.0", 1000));
        assert_eq!((&*record.refused[0].key, record.refused[0].written), ("count.7", 7));
        let far = self::far();
        for round in 1..=5 {
            far.supervisor.audit(&holding(100 * round));
        }
        assert_eq!(far.supervisor.growths()[0].to, 500);
        assert_eq!(far.supervisor.growths()[0].never_read, None);
    }
}
