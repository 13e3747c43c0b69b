//! The map: operations on one key, each atomic.
//!
//! Keys and values are held against the schema before any lock is taken, and closures of a caller run
//! with no lock held: [`SafeMap::update`] and [`SafeMap::get_or_insert_with`] work on a copy and write
//! it if the entry is still as it was. So a closure may use the map, even the same key, and nothing
//! can deadlock.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::Instant;

use crate::alert::{self, Alert, Listener};
use crate::audit::AuditState;
use crate::bounds::Limits;
use crate::breaker::{BreakerState, Circuit, Pass};
use crate::builder::SafeMapBuilder;
use crate::clock::Clock;
use crate::entry::Entry;
use crate::error::{Error, Mismatch};
use crate::event::{Change, Event, WatchBuilder};
use crate::key::{AsKey, Key};
use crate::latency::{Latency, Sort};
use crate::pattern::KeyPattern;
use crate::refusals::Refusals;
use crate::schema::Schema;
use crate::store::{Action, Full, Life, Place, Store};
use crate::value::{IntoTyped, TypedValue, Value, Weighed};

/// How often an optimistic operation is tried.
pub(crate) const MOST_ATTEMPTS: u32 = 10_000;

/// A concurrent map with a schema at its door.
///
/// ```
/// use tophash_safemap::{SafeMap, Schema, Type};
///
/// let schema = Schema::builder()
///     .key("user.*.name", Type::string().max_size(64))
///     .key("user.*.visits", Type::integer().range(0..))
///     .build()?;
/// let map = SafeMap::new(schema);
///
/// map.set("user.7.name", "Ada")?;
/// assert_eq!(map.inc("user.7.visits", 1)?, 1);
/// assert!(map.set("user.7.visits", "one").is_err());
/// assert!(map.set("user.7.nam", "Ada").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A clone is another handle of the same map. No operation hands out a guard: what is read is a copy,
/// of which strings and the like share the content. So nothing can be held across an `await`, and no
/// order of calls can deadlock.
#[derive(Clone)]
pub struct SafeMap {
    pub(crate) inner: Arc<Inner>,
}

impl fmt::Debug for SafeMap {
    /// Its name and how large it is: what is printed with a struct that holds a map ends up in logs,
    /// where its content has no place.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SafeMap")
            .field("name", &self.name())
            .field("entries", &self.len())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

pub(crate) struct Inner {
    pub(crate) name: Arc<str>,
    pub(crate) schema: Schema,
    /// Whether the schema takes any key and any value.
    pub(crate) takes_any: bool,
    pub(crate) lives: Vec<Life>,
    pub(crate) store: Store,
    pub(crate) limits: Limits,
    pub(crate) circuit: Option<Circuit>,
    pub(crate) refusals: Refusals,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) audit: AuditState,
    pub(crate) latency: Latency,
    pub(crate) listeners: Vec<Listener>,
    /// Threads that audit the map, to be woken when it goes.
    pub(crate) auditors: Mutex<Vec<Thread>>,
}

impl Inner {
    #[inline]
    fn hash<K: AsKey>(&self, key: &K) -> u64 {
        match key.known_hash() {
            Some((mark, hash)) if mark == self.schema.mark() => hash,
            _ => self.store.hash(key.text()),
        }
    }

    /// The rule of a key and what it means in time; `None` where there is something to refuse.
    #[inline]
    fn rule_at_once<K: AsKey>(&self, key: &K) -> Option<(u16, Life)> {
        let rule = match key.known_rule() {
            Some((mark, rule)) if mark == self.schema.mark() => rule,
            _ => self.schema.number(key.text())?,
        };
        Some((rule, self.lives[usize::from(rule)]))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.store.hub().close();
        for auditor in self.auditors.get_mut().unwrap_or_else(PoisonError::into_inner) {
            auditor.unpark();
        }
    }
}

/// What became of a [`SafeMap::compare_and_swap`].
///
/// ```
/// use tophash_safemap::{SafeMap, Schema, Swap};
///
/// let map = SafeMap::new(Schema::open());
/// assert_eq!(map.compare_and_swap("a", None, Some(1.into()))?, Swap::Done);
/// let swap = map.compare_and_swap("a", Some(5.into()), None)?;
/// assert_eq!(swap, Swap::Differs(Some(1.into())));
/// # Ok::<(), tophash_safemap::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap<V> {
    /// The entry was as expected, and is now as asked.
    Done,
    /// The entry was this instead, and still is.
    Differs(Option<V>),
}

impl SafeMap {
    /// A map without bounds or breaker.
    pub fn new(schema: Schema) -> Self {
        Self::builder(schema).build()
    }

    /// Starts to set a map up.
    pub fn builder(schema: Schema) -> SafeMapBuilder {
        SafeMapBuilder::new(schema)
    }

    /// The map's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The map's schema.
    pub fn schema(&self) -> &Schema {
        &self.inner.schema
    }

    /// A handle that reads and writes a key as one type.
    ///
    /// # Errors
    ///
    /// Fails when the schema does not know the key, or has another type for it.
    pub fn key<T: TypedValue>(&self, text: &str) -> Result<Key<T>, Error> {
        self.inner.schema.key(text)
    }

    /// The value of a key, which counts as use of it.
    ///
    /// # Errors
    ///
    /// Fails when the schema does not know the key.
    #[inline]
    pub fn get<K: AsKey>(&self, key: K) -> Result<Option<K::Value>, Error> {
        let inner = &*self.inner;
        if inner.store.can_expire() {
            return self.get_in_time(&key);
        }
        if inner.latency.is_due() {
            return self.get_timed(&key);
        }
        self.get_at_once(&key)
    }

    /// As [`SafeMap::get`], of which it is noted how long it takes.
    #[cold]
    fn get_timed<K: AsKey>(&self, key: &K) -> Result<Option<K::Value>, Error> {
        let start = Instant::now();
        let found = self.get_at_once(key);
        self.inner.latency.end(Sort::Read, Some(start));
        found
    }

    /// As [`SafeMap::get`], where nothing expires.
    #[inline(always)]
    fn get_at_once<K: AsKey>(&self, key: &K) -> Result<Option<K::Value>, Error> {
        let inner = &*self.inner;
        let hash = inner.hash(key);
        let mut shard = inner.store.lock_of(hash);
        let Some(entry) = shard.read(hash, key.text()) else {
            drop(shard);
            return self.get_nothing(key);
        };
        if K::Value::IS_SHARED
            && let Some(value) = K::Value::from_value(&entry.value)
        {
            // Returned from where it is made: a detour is a third of what a read costs.
            return Ok(Some(value));
        }
        let value = entry.value.clone();
        drop(shard);
        typed::<K>(key, &value).map(Some)
    }

    /// As [`SafeMap::get`], where it has to be known what time it is.
    fn get_in_time<K: AsKey>(&self, key: &K) -> Result<Option<K::Value>, Error> {
        let store = &self.inner.store;
        let start = self.inner.latency.start();
        let life = |rule: u16| self.inner.lives[usize::from(rule)];
        let hash = self.inner.hash(key);
        let found = store.get(hash, key.text(), life, |entry| entry.value.clone());
        self.inner.latency.end(Sort::Read, start);
        match found {
            Some(value) => typed::<K>(key, &value).map(Some),
            None => self.get_nothing(key),
        }
    }

    /// What is there is known to the schema; only what is not has to be looked up.
    fn get_nothing<K: AsKey>(&self, key: &K) -> Result<Option<K::Value>, Error> {
        if self.inner.rule_at_once(key).is_some() {
            return Ok(None);
        }
        self.rule_of(key).map_err(|error| self.refuse_read(key.text(), error))?;
        Ok(None)
    }

    /// Whether a key is there; no use of it.
    ///
    /// # Errors
    ///
    /// Fails when the schema does not know the key.
    pub fn contains<K: AsKey>(&self, key: K) -> Result<bool, Error> {
        let place = self.place(&key).map_err(|error| self.refuse_read(key.text(), error))?;
        let found = self.inner.store.alter(&place, |entry| (Action::Keep, entry.is_some()));
        found.map_err(|full| self.full(&key, full))
    }

    /// Writes a value.
    ///
    /// # Errors
    ///
    /// Fails when the schema does not know the key, or asks for another value; when a bound would be
    /// passed; while the breaker is open; and when an observer that makes writers wait has no room.
    #[inline]
    pub fn set<K: AsKey>(&self, key: K, value: impl IntoTyped<K::Value>) -> Result<(), Error> {
        let value: Value = value.into_typed().into();
        if self.inner.latency.is_due() {
            return self.set_timed(&key, value);
        }
        match self.put_at_once(&key, value) {
            Ok(()) => Ok(()),
            Err(value) => self.set_slowly(&key, value, None),
        }
    }

    /// As [`SafeMap::set`], of which it is noted how long it takes.
    #[cold]
    fn set_timed<K: AsKey>(&self, key: &K, value: Value) -> Result<(), Error> {
        let start = Some(Instant::now());
        match self.put_at_once(key, value) {
            Ok(()) => {
                self.inner.latency.end(Sort::Write, start);
                Ok(())
            }
            Err(value) => self.set_slowly(key, value, start),
        }
    }

    fn set_slowly<K: AsKey>(
        &self,
        key: &K,
        value: Value,
        start: Option<Instant>,
    ) -> Result<(), Error> {
        let value = Weighed::of(value);
        self.write(key, start, &[Change::Written], |place| {
            self.inner.schema.admit(place.rule, place.key, &value.value)?;
            let put = self.inner.store.alter(place, |_| (Action::Put(value.clone()), ()));
            put.map_err(|full| self.full(key, full))
        })
    }

    /// Removes an entry, and returns what it held.
    ///
    /// # Errors
    ///
    /// Fails when the schema does not know the key or asks that it be there, and while the breaker
    /// is open.
    #[inline]
    pub fn remove<K: AsKey>(&self, key: K) -> Result<Option<K::Value>, Error> {
        let start = self.inner.latency.start();
        let Ok(removed) = self.remove_at_once(&key) else {
            return self.remove_slowly(&key, start);
        };
        self.inner.latency.end(Sort::Write, start);
        let Some(entry) = removed else { return Ok(None) };
        if K::Value::IS_SHARED
            && let Some(value) = K::Value::from_value(&entry.value)
        {
            return Ok(Some(value));
        }
        typed::<K>(&key, &entry.value).map(Some)
    }

    fn remove_slowly<K: AsKey>(
        &self,
        key: &K,
        start: Option<Instant>,
    ) -> Result<Option<K::Value>, Error> {
        let removed = self.write(key, start, &[Change::Removed], |place| {
            if place.life.is_required {
                return Err(Error::Required { key: place.key.into() });
            }
            let removed = self
                .inner
                .store
                .alter(place, |entry| (Action::Remove, entry.map(|entry| entry.value.clone())));
            removed.map_err(|full| self.full(key, full))
        })?;
        removed.map(|value| typed::<K>(key, &value)).transpose()
    }

    /// Adds to an integer and returns the sum. An entry that is not there counts as zero.
    ///
    /// # Errors
    ///
    /// As [`SafeMap::set`]; and fails when the sum does not fit an integer or its range, or the entry
    /// is no integer.
    pub fn inc<K: AsKey>(&self, key: K, by: i64) -> Result<i64, Error> {
        let start = self.inner.latency.start();
        if let Some(sum) = self.inc_at_once(&key, by) {
            self.inner.latency.end(Sort::Write, start);
            return Ok(sum);
        }
        self.write(&key, start, &[Change::Written], |place| {
            let sum = |entry: Option<&Value>| {
                let old = match entry {
                    None => 0,
                    Some(Value::Integer(number)) => *number,
                    Some(other) => {
                        return Err(Error::Refused {
                            key: place.key.into(),
                            mismatch: Box::new(Mismatch {
                                expected: "integer to add to".to_owned(),
                                came: other.kind().to_string(),
                                ..Mismatch::at(other)
                            }),
                        });
                    }
                };
                let Some(sum) = old.checked_add(by) else {
                    return Err(Error::Overflow { key: place.key.into(), value: old, by });
                };
                self.inner.schema.admit(place.rule, place.key, &Value::Integer(sum))?;
                Ok(sum)
            };
            let result = self.inner.store.alter(&place.read(), |entry| {
                match sum(entry.map(|entry| &entry.value)) {
                    Ok(sum) => (Action::Put(Weighed::of(Value::Integer(sum))), Ok(sum)),
                    Err(error) => (Action::Keep, Err(error)),
                }
            });
            result.map_err(|full| self.full(&key, full))?
        })
    }

    /// Writes `new` if the entry is `expected`; `None` is an entry that is not there.
    ///
    /// # Errors
    ///
    /// As [`SafeMap::set`] and, for a `new` of `None`, [`SafeMap::remove`]. That the entry differs is
    /// no error. Fails when another writer was first ten thousand times, each time with an equal
    /// value; numbers and truth values are compared in one step, so that it does not come to that.
    pub fn compare_and_swap<K: AsKey>(
        &self,
        key: K,
        expected: Option<K::Value>,
        new: Option<K::Value>,
    ) -> Result<Swap<K::Value>, Error> {
        let expected: Option<Value> = expected.map(Into::into);
        let new: Option<Weighed> = new.map(|new| Weighed::of(new.into()));
        let change = if new.is_some() { Change::Written } else { Change::Removed };
        let swap = self.write(&key, self.inner.latency.start(), &[change], |place| {
            self.admit_change(place, new.as_ref())?;
            // The version of an entry that was found to be as expected.
            let mut same = None;
            for _ in 0..MOST_ATTEMPTS {
                // To have looked at it twice is one read.
                let place = if same.is_some() { *place } else { place.read() };
                let look = self.inner.store.alter(&place, |entry| {
                    let (is_same, current) = match (entry, &expected) {
                        (None, None) => (true, None),
                        (Some(entry), Some(_)) if same == Some(entry.version()) => (true, None),
                        (Some(entry), Some(expected)) if expected.is_scalar() => {
                            (entry.value == *expected, Some(entry))
                        }
                        (Some(entry), Some(_)) => {
                            // To compare them may take long, which is not done under a lock.
                            let value = entry.value.clone();
                            return (Action::Keep, Look::Compare(entry.version(), value));
                        }
                        (entry, _) => (false, entry),
                    };
                    if is_same {
                        (new.clone().map_or(Action::Remove, Action::Put), Look::Done)
                    } else {
                        let current = current.map(|entry| entry.value.clone());
                        (Action::Keep, Look::Differs(current))
                    }
                });
                match look.map_err(|full| self.full(&key, full))? {
                    Look::Done => return Ok(Swap::Done),
                    Look::Differs(current) => return Ok(Swap::Differs(current)),
                    Look::Compare(version, value) if expected.as_ref() == Some(&value) => {
                        same = Some(version);
                    }
                    Look::Compare(_, value) => return Ok(Swap::Differs(Some(value))),
                }
            }
            Err(Error::Contended { attempts: MOST_ATTEMPTS })
        })?;
        match swap {
            Swap::Done => Ok(Swap::Done),
            Swap::Differs(current) => {
                let current = current.map(|value| typed::<K>(&key, &value)).transpose()?;
                Ok(Swap::Differs(current))
            }
        }
    }

    /// Replaces a value by what a closure makes of it, and returns that. `None` is an entry that is
    /// not there, before or after.
    ///
    /// The closure runs with no lock held, and again when another writer was first.
    ///
    /// ```
    /// use tophash_safemap::{SafeMap, Schema};
    ///
    /// let map = SafeMap::new(Schema::open());
    /// let log = map.key::<String>("log")?;
    /// map.update(&log, |old| Some(old.unwrap_or_default() + "a"))?;
    /// let new = map.update(&log, |old| Some(old.unwrap_or_default() + "b"))?;
    /// assert_eq!(new.as_deref(), Some("ab"));
    /// # Ok::<(), tophash_safemap::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`SafeMap::compare_and_swap`]; and fails when other writers were first ten thousand times.
    pub fn update<K: AsKey>(
        &self,
        key: K,
        mut change: impl FnMut(Option<K::Value>) -> Option<K::Value>,
    ) -> Result<Option<K::Value>, Error> {
        let either = &[Change::Written, Change::Removed];
        let new = self.write(&key, self.inner.latency.start(), either, |place| {
            for _ in 0..MOST_ATTEMPTS {
                let read = self.inner.store.alter(&place.read(), |entry| {
                    (Action::Keep, entry.map(|entry| (entry.version(), entry.value.clone())))
                });
                let read = read.map_err(|full| self.full(&key, full))?;
                let version = read.as_ref().map(|(version, _)| *version);
                let old = read.map(|(_, value)| typed::<K>(&key, &value)).transpose()?;
                let new: Option<Weighed> = change(old).map(|new| Weighed::of(new.into()));
                self.admit_change(place, new.as_ref())?;
                let done = self.inner.store.alter(place, |entry| {
                    if entry.map(|entry| entry.version()) != version {
                        return (Action::Keep, false);
                    }
                    (new.clone().map_or(Action::Remove, Action::Put), true)
                });
                if done.map_err(|full| self.full(&key, full))? {
                    return Ok(new);
                }
            }
            Err(Error::Contended { attempts: MOST_ATTEMPTS })
        })?;
        new.map(|new| typed::<K>(&key, &new.value)).transpose()
    }

    /// The value of a key, made and written first when it is not there.
    ///
    /// The closure runs with no lock held, at most once. When another writer was first, what it made
    /// is dropped, and the other's value returned.
    ///
    /// ```
    /// use tophash_safemap::{SafeMap, Schema};
    ///
    /// let map = SafeMap::new(Schema::open());
    /// let answer = map.key::<i64>("answer")?;
    /// assert_eq!(map.get_or_insert_with(&answer, || 42)?, 42);
    /// assert_eq!(map.get_or_insert_with(&answer, || unreachable!())?, 42);
    /// # Ok::<(), tophash_safemap::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`SafeMap::set`], when the entry is not there.
    pub fn get_or_insert_with<K: AsKey>(
        &self,
        key: K,
        make: impl FnOnce() -> K::Value,
    ) -> Result<K::Value, Error> {
        if let Some(value) = self.get(key)? {
            return Ok(value);
        }
        let value = Weighed::of(make().into());
        let held = self.write(&key, self.inner.latency.start(), &[Change::Written], |place| {
            self.inner.schema.admit(place.rule, place.key, &value.value)?;
            let held = self.inner.store.alter(place, |entry| match entry {
                Some(entry) => (Action::Keep, entry.value.clone()),
                None => (Action::Put(value.clone()), value.value.clone()),
            });
            held.map_err(|full| self.full(&key, full))
        })?;
        typed::<K>(&key, &held)
    }

    /// The number of entries held, expired ones that were not met yet included.
    pub fn len(&self) -> usize {
        self.inner.store.len()
    }

    /// Whether no entry is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the tables, keys and contents.
    pub fn bytes(&self) -> usize {
        self.inner.store.bytes()
    }

    /// Takes out all entries that have expired, and tells how many.
    ///
    /// There is no need to call it for the bounds' sake: every write looks at a few entries of its
    /// shard, and an expired entry is never seen. A map that is no longer written keeps what has
    /// expired until then; a service that wants it back calls this now and then.
    pub fn sweep(&self) -> usize {
        self.inner.store.sweep()
    }

    /// Gives back the memory that the tables don't need for what they hold.
    ///
    /// Removals give most of it back as they go.
    pub fn shrink_to_fit(&self) {
        self.inner.store.shrink();
    }

    /// Starts to set up who is told of changes to the keys of a pattern.
    pub fn watch(&self, pattern: KeyPattern) -> WatchBuilder {
        WatchBuilder::new(self.inner.store.hub(), pattern)
    }

    /// What the breaker lets through; a map without one is closed, which lets all through.
    pub fn breaker_state(&self) -> BreakerState {
        self.inner.circuit.as_ref().map_or(BreakerState::Closed, Circuit::state)
    }

    /// The share of writes that failed lately, from 0 to 1, as the breaker sees it; 0 without one.
    pub fn write_failure_rate(&self) -> f64 {
        let store = &self.inner.store;
        self.inner
            .circuit
            .as_ref()
            .map_or(0.0, |circuit| circuit.failure_rate(store.now(), self.done()))
    }

    pub(crate) fn rule_of<K: AsKey>(&self, key: &K) -> Result<u16, Error> {
        match key.known_rule() {
            Some((mark, rule)) if mark == self.inner.schema.mark() => Ok(rule),
            _ => self.inner.schema.find(key.text()),
        }
    }

    /// Whether no breaker has to be asked before a write.
    #[inline]
    fn lets_all_through(&self) -> bool {
        self.inner.circuit.as_ref().is_none_or(Circuit::is_closed)
    }

    fn place<'k, K: AsKey>(&self, key: &'k K) -> Result<Place<'k>, Error> {
        let rule = self.rule_of(key)?;
        Ok(Place {
            hash: self.inner.hash(key),
            key: key.text(),
            shared: key.shared(),
            rule,
            life: self.inner.lives[usize::from(rule)],
            is_read: false,
        })
    }

    fn admit_change(&self, place: &Place<'_>, new: Option<&Weighed>) -> Result<(), Error> {
        match new {
            Some(new) => self.inner.schema.admit(place.rule, place.key, &new.value),
            None if place.life.is_required => Err(Error::Required { key: place.key.into() }),
            None => Ok(()),
        }
    }

    /// Writes where nothing more than a look at the value stands before it; gives the value back where
    /// it has to be done the long way.
    #[inline(always)]
    fn put_at_once<K: AsKey>(&self, key: &K, value: Value) -> Result<(), Value> {
        let inner = &*self.inner;
        if !self.lets_all_through() || inner.store.is_bound() {
            return Err(value);
        }
        let hash = inner.hash(key);
        let mut shard = inner.store.lock_to_change_of(hash);
        // Under the lock: who starts to watch and then reads has either the write or its event.
        if inner.store.hub().is_wanted(Change::Written, key.text()) {
            return Err(value);
        }
        let is_plain = shard.is_plain();
        let is_any = inner.takes_any && value.is_scalar();
        let admits = |rule| is_any || inner.schema.rule(rule).value_type.admits_at_once(&value);
        if let Some((entry, account)) = shard.find_mut(hash, key.text()) {
            if !is_plain || !admits(entry.rule) {
                return Err(value);
            }
            let before = entry.content_bytes();
            // What is admitted at once is flat: to count its bytes takes no time.
            let after = value.content_bytes();
            let old = std::mem::replace(&mut entry.value, value);
            entry.writes = entry.writes.saturating_add(1);
            entry.set_version(account.overwritten(before, after));
            inner.store.publish_of(hash, &shard);
            drop(shard);
            // What it holds is given back with no lock held; of a number there is nothing to give.
            if old.is_scalar() {
                std::mem::forget(old);
            }
            return Ok(());
        }
        match inner.rule_at_once(key) {
            Some((rule, life)) if admits(rule) && inner.store.is_clock_ours() => {
                let key = (key.text(), key.shared());
                inner.store.add_at_once(hash, shard, key, value, rule, life);
                Ok(())
            }
            _ => Err(value),
        }
    }

    /// Adds to an integer that is there, where nothing more than a look at the sum stands before it;
    /// `None` says that it has to be done the long way.
    #[inline]
    fn inc_at_once<K: AsKey>(&self, key: &K, by: i64) -> Option<i64> {
        let inner = &*self.inner;
        if !self.lets_all_through() || inner.store.is_bound() {
            return None;
        }
        let hash = inner.hash(key);
        let mut shard = inner.store.lock_to_change_of(hash);
        if inner.store.hub().is_wanted(Change::Written, key.text()) || !shard.is_plain() {
            return None;
        }
        let (entry, account) = shard.find_mut(hash, key.text())?;
        let sum = entry.value.as_integer()?.checked_add(by)?;
        let value = Value::Integer(sum);
        if !inner.schema.rule(entry.rule).value_type.admits_at_once(&value) {
            return None;
        }
        entry.value = value;
        entry.reads = entry.reads.saturating_add(1);
        entry.writes = entry.writes.saturating_add(1);
        entry.set_version(account.overwritten(0, 0));
        inner.store.publish_of(hash, &shard);
        Some(sum)
    }

    /// Removes where there is nothing more to it; gives the entry that was there, if it was. `Err`
    /// says that it has to be done the long way.
    #[inline(always)]
    fn remove_at_once<K: AsKey>(&self, key: &K) -> Result<Option<Entry>, ()> {
        let inner = &*self.inner;
        if !self.lets_all_through() {
            return Err(());
        }
        if let Some(entry) = inner.store.remove_at_once(inner.hash(key), key.text())? {
            return Ok(Some(entry));
        }
        match inner.rule_at_once(key) {
            Some((_, life)) if !life.is_required => Ok(None),
            _ => Err(()),
        }
    }

    /// A write of one key: what stands before it, and what is noted after it. `changes` are what may
    /// come of it.
    fn write<K: AsKey, R>(
        &self,
        key: &K,
        start: Option<Instant>,
        changes: &[Change],
        write: impl FnOnce(&Place<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.guarded_from(start, key.text(), || {
            let place = self.place(key)?;
            self.inner.store.hub().wait_for_room(place.key, changes)?;
            write(&place)
        })
    }

    /// A write of any kind, behind the breaker; `key` is told to who asks about a refusal that names
    /// none.
    pub(crate) fn guarded<R>(
        &self,
        key: &str,
        write: impl FnOnce() -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.guarded_from(self.inner.latency.start(), key, write)
    }

    /// As [`SafeMap::guarded`], of a write that has begun, and is timed if it is known when.
    fn guarded_from<R>(
        &self,
        start: Option<Instant>,
        key: &str,
        write: impl FnOnce() -> Result<R, Error>,
    ) -> Result<R, Error> {
        let store = &self.inner.store;
        let pass = match &self.inner.circuit {
            None => Pass::Ordinary,
            Some(circuit) => circuit
                .admit(|| store.now())
                .map_err(|(remaining, hint)| Error::ReadOnly { remaining, hint })?,
        };
        let result = write();
        self.inner.latency.end(Sort::Write, start);
        match (&result, &self.inner.circuit) {
            (Ok(_), Some(circuit)) if pass != Pass::Ordinary => {
                if circuit.succeeded(pass, || store.now(), || self.done()) {
                    self.alert(BreakerState::Closed, String::new());
                }
            }
            (Ok(_), _) => {}
            (Err(error), _) => self.note_failure(key, error, pass),
        }
        result
    }

    /// Notes a write that failed, and what it was to the breaker.
    #[cold]
    pub(crate) fn note_failure(&self, key: &str, error: &Error, pass: Pass) {
        if is_refusal(error) {
            for fault in error.each() {
                self.note_refusal(fault.key().unwrap_or(key), fault);
            }
        }
        let Some(circuit) = &self.inner.circuit else { return };
        if !is_failure(error) {
            circuit.withdrawn(pass);
            return;
        }
        let store = &self.inner.store;
        let refusals = &self.inner.refusals;
        let hint = || refusals.hint(store.now(), Some(&|key| store.writes_of(key)));
        if let Some(hint) = circuit.failed(pass, store.now(), || self.done(), hint) {
            self.alert(BreakerState::Open, hint);
        }
    }

    /// The writes and removals that were done, which are what a breaker counts as successes.
    fn done(&self) -> u64 {
        let counts = self.inner.store.counts();
        counts.writes + counts.removals
    }

    fn alert(&self, state: BreakerState, hint: String) {
        alert::tell(&self.inner.listeners, || {
            let (map, failure_rate) = (self.name().to_owned(), self.write_failure_rate());
            Alert { map, state, failure_rate, hint }
        });
    }

    /// Notes that a key was refused, for audits, hints and observers.
    fn note_refusal(&self, key: &str, error: &Error) {
        let rule = self.inner.schema.number(key);
        let expected = rule.and_then(|rule| self.inner.schema.rule(rule).value_type.kind());
        self.inner.refusals.note(key, error, expected, self.inner.store.now());
        let hub = self.inner.store.hub();
        if hub.is_wanted(Change::Refused, key) {
            hub.tell(&Event {
                change: Change::Refused,
                key: key.into(),
                value: None,
                version: 0,
                error: Some(Arc::new(error.clone())),
            });
        }
    }

    /// A read of a key that the schema does not know is told as a write is, but opens no breaker.
    fn refuse_read(&self, key: &str, error: Error) -> Error {
        self.note_refusal(error.key().unwrap_or(key), &error);
        error
    }

    fn full<K: AsKey>(&self, key: &K, Full(bound): Full) -> Error {
        self.inner.limits.refuse(key.text().into(), bound)
    }
}

/// Whether an error speaks against what was to be written, not of who else was writing.
pub(crate) fn is_refusal(error: &Error) -> bool {
    !matches!(
        error,
        Error::Conflict { .. }
            | Error::Contended { .. }
            | Error::Stale
            | Error::GivenUp { .. }
            | Error::ReadOnly { .. }
    )
}

/// Whether it counts as a failed write for the breaker. Where there is no room, another write may
/// succeed at once, and a removal is the remedy, which an open breaker would stop.
pub(crate) fn is_failure(error: &Error) -> bool {
    is_refusal(error) && !matches!(error, Error::Full { .. } | Error::Backpressure { .. })
}

/// What a look at an entry has shown that is to be compared.
enum Look {
    /// It was as expected, and is written.
    Done,
    /// It was something else.
    Differs(Option<Value>),
    /// It has this version and value, which have to be compared with no lock held.
    Compare(u64, Value),
}

/// A value as the type that a key is for. It can have another only where the schema takes any.
pub(crate) fn typed<K: AsKey>(key: &K, value: &Value) -> Result<K::Value, Error> {
    K::Value::from_value(value).ok_or_else(|| Error::OtherType {
        key: key.text().into(),
        expected: value.kind().to_string(),
        asked: K::Value::KIND.unwrap_or(value.kind()),
    })
}
