//! The shared map, and operations on one key.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tophash_safemap::{
    Alert, AsKey, Breaker, BreakerState, Clock, Error as Refusal, IntoTyped, Key, KeyFamily,
    KeyPattern, Schema, Supervisor, SupervisorBuilder, Swap, Type, TypedValue, Value, WatchBuilder,
};

use crate::address::Address;
use crate::cache::Cache;
use crate::core::{Bounds, Core, MOST_ATTEMPTS, Read, full, milliseconds, typed};
use crate::door;
use crate::encryption::Encryption;
use crate::error::Error;
use crate::link::Link;
use crate::listener;
use crate::script::Call;

/// A map with a schema at its door that several processes share.
///
/// ```no_run
/// use tophash_safemap::{Schema, Type};
/// use tophash_safemap_redis::SharedMap;
///
/// let schema = Schema::builder().key("flag.*", Type::boolean()).build()?;
/// let flags = SharedMap::connect("redis://localhost:6379/flags", schema)?;
/// flags.set("flag.dark", true)?;
/// assert!(flags.set("flag.dark", "yes").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A clone is another handle of the same map. Calls wait for the server, so async code does them where
/// it may block. No guard is handed out, and closures run with nothing held on the server.
#[derive(Clone)]
pub struct SharedMap {
    pub(crate) core: Arc<Core>,
    pub(crate) handle: Arc<Handle>,
}

/// Ends the listener when the last handle goes.
pub(crate) struct Handle {
    pub(crate) core: Arc<Core>,
    is_listening: Mutex<bool>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.is_closing.store(true, Ordering::Release);
        self.core.supervisor.close();
    }
}

impl fmt::Debug for SharedMap {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SharedMap").field("namespace", &self.namespace()).finish_non_exhaustive()
    }
}

/// Sets a [`SharedMap`] up; made by [`SharedMap::builder`].
///
/// ```no_run
/// use std::time::Duration;
/// use tophash_safemap::Schema;
/// use tophash_safemap_redis::SharedMap;
///
/// let map = SharedMap::builder("redis://localhost/flags", Schema::open())
///     .timeout(Duration::from_millis(250))
///     .cache(10_000)
///     .connect()?;
/// # Ok::<(), tophash_safemap_redis::Error>(())
/// ```
#[derive(Clone)]
pub struct SharedMapBuilder {
    url: String,
    schema: Schema,
    timeout: Duration,
    cache: usize,
    lease: Duration,
    feed_length: usize,
    feed_bytes: u64,
    bounds: Bounds,
    supervisor: SupervisorBuilder,
    encryption: Encryption,
}

impl fmt::Debug for SharedMapBuilder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        out.debug_struct("SharedMapBuilder")
            .field("schema", &self.schema)
            .field("timeout", &self.timeout)
            .field("cache", &self.cache)
            .field("lease", &self.lease)
            .field("feed_length", &self.feed_length)
            .field("feed_bytes", &self.feed_bytes)
            .field("bounds", &self.bounds)
            .field("supervisor", &self.supervisor)
            .field("encryption", &self.encryption)
            .finish_non_exhaustive()
    }
}

impl SharedMapBuilder {
    /// How long the server may take to accept a connection, and to answer; two seconds unless said.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// Keeps so many values that were read; none unless said.
    ///
    /// What [`SharedMap::get`] returns may then be as old as the feed is behind, and no older than
    /// [`SharedMapBuilder::cache_lease`]; it never is older than a write that this map was told is done.
    /// All else asks the server. Keys with an idle time are not kept.
    #[must_use]
    pub fn cache(mut self, entries: usize) -> Self {
        self.cache = entries;
        self
    }

    /// How old what the cache returns may be, when the way to the server is cut; a second unless said.
    ///
    /// While nothing changes, the server is asked three times in a lease whether that is so, but no
    /// oftener than every ten milliseconds: a lease under thirty, and what the way there takes, serves
    /// next to nothing.
    #[must_use]
    pub fn cache_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How many changes the server keeps for watchers and caches that are behind, about; 10,000 unless
    /// said. The namespace's last writer decides.
    #[must_use]
    pub fn feed_length(mut self, events: usize) -> Self {
        self.feed_length = events.max(1);
        self
    }

    /// How many bytes these changes may take on the server, with their keys and contents; 64 MiB unless
    /// said. The namespace's last writer decides.
    ///
    /// The last quarter of that is always there, if [`SharedMapBuilder::feed_length`] leaves it, and so is
    /// the last change, however large. Who was further behind is told that events were missed. A server
    /// that has no memory left gives up half of what there is with each write that it refuses.
    #[must_use]
    pub fn feed_bytes(mut self, bytes: u64) -> Self {
        // Exact as a Lua number.
        self.feed_bytes = bytes.min(1 << 50);
        self
    }

    /// Bounds the number of entries of the namespace, expired ones that were not met yet included.
    ///
    /// The server holds every process to it, whichever asked for it; the last that does so decides.
    /// A write for which there is no room is refused, unless
    /// [`SharedMapBuilder::evict_soonest_to_expire`] says otherwise.
    #[must_use]
    pub fn max_entries(mut self, entries: u64) -> Self {
        self.bounds.entries = Some(entries);
        self
    }

    /// Bounds the bytes of the namespace's keys and contents together, for every process as
    /// [`SharedMapBuilder::max_entries`] does. What the server spends around them does not count, nor do
    /// the changes that it keeps, which [`SharedMapBuilder::feed_bytes`] bounds.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.bounds.bytes = Some(bytes);
        self
    }

    /// Whether what would end soonest goes when a bound would be passed; the write is refused unless
    /// said. As the bounds are, this is the namespace's, and the last process that says it decides.
    ///
    /// Only what has a time to live or an idle time goes, so that flags and counts may lie beside a
    /// cache. With one idle time for all it is what was used longest ago; with one time to live, what
    /// was written longest ago. A write refused all the same evicts nothing, and so does
    /// [`SharedMap::load`], which replaces everything.
    #[must_use]
    pub fn evict_soonest_to_expire(mut self, evicts: bool) -> Self {
        self.bounds.evicts = Some(evicts);
        self
    }

    /// Lets this process write nothing while too many of its writes fail, be they refused for
    /// another reason than a bound or the server at fault; there is no breaker unless said.
    #[must_use]
    pub fn breaker(mut self, breaker: Breaker) -> Self {
        self.supervisor = self.supervisor.breaker(breaker);
        self
    }

    /// Who is told when the breaker opens or closes; each one that is given, in that order.
    ///
    /// The function runs on the thread of the write that made it so.
    #[must_use]
    pub fn on_alert(mut self, listener: impl Fn(&Alert) + Send + Sync + 'static) -> Self {
        self.supervisor = self.supervisor.on_alert(listener);
        self
    }

    /// Where the breaker and audits of this process have the time from; the system unless said. Entries
    /// end by the server's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.supervisor = self.supervisor.clock(clock);
        self
    }

    /// The certificates to trust in place of the system's, in PEM, for `rediss://`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.encryption.roots = Some(pem.into());
        self
    }

    /// The certificate to show a server that asks for one, with its chain, and its key; in PEM.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn client_certificate(
        mut self,
        chain: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.encryption.identity = Some((chain.into(), key.into()));
        self
    }

    /// Connects, and opens the namespace.
    ///
    /// # Errors
    ///
    /// Fails when the URL can't be read, the server can't be reached, and when the namespace has
    /// another schema.
    pub fn connect(self) -> Result<SharedMap, Error> {
        let address = Address::parse(&self.url)?;
        let rules = door::rules(&self.schema);
        let core = Arc::new(Core {
            link: Link::new(&address, &self.encryption, self.timeout)?,
            keys: address.keys(),
            supervisor: Arc::new(self.supervisor.build(&address.namespace, self.schema.clone())),
            schema: self.schema,
            bounds: self.bounds,
            mark: door::mark(&rules),
            rules,
            keep: format!("{} {}", self.feed_length, self.feed_bytes),
            cache: (self.cache > 0).then(|| Cache::new(self.cache, self.lease)),
            is_closing: AtomicBool::new(false),
        });
        core.claim()?;
        let handle = Arc::new(Handle { core: Arc::clone(&core), is_listening: Mutex::new(false) });
        let map = SharedMap { core, handle };
        if map.core.cache.is_some() {
            map.listen()?;
        }
        Ok(map)
    }
}

impl SharedMap {
    /// Connects, without a cache and with the usual times.
    ///
    /// # Errors
    ///
    /// As [`SharedMapBuilder::connect`].
    pub fn connect(url: &str, schema: Schema) -> Result<Self, Error> {
        Self::builder(url, schema).connect()
    }

    /// Starts to set a shared map up.
    pub fn builder(url: &str, schema: Schema) -> SharedMapBuilder {
        SharedMapBuilder {
            url: url.to_owned(),
            schema,
            timeout: Duration::from_secs(2),
            cache: 0,
            lease: Duration::from_secs(1),
            feed_length: 10_000,
            feed_bytes: 64 << 20,
            bounds: Bounds::default(),
            supervisor: Supervisor::builder(),
            encryption: Encryption::default(),
        }
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        self.core.link.namespace()
    }

    /// The schema, which all processes have that share the map.
    pub fn schema(&self) -> &Schema {
        &self.core.schema
    }

    /// A handle that reads and writes a key as one type.
    ///
    /// # Errors
    ///
    /// Fails when the schema does not know the key, or has another type for it.
    pub fn key<T: TypedValue>(&self, text: &str) -> Result<Key<T>, Error> {
        Ok(self.core.schema.key(text)?)
    }

    /// Handles for the keys of a pattern, which read and write as one type.
    ///
    /// # Errors
    ///
    /// Fails on text that is no pattern, when the schema has no rule for its keys, or another type.
    pub fn family<T: TypedValue>(&self, pattern: &str) -> Result<KeyFamily<T>, Error> {
        Ok(self.core.schema.family(pattern)?)
    }

    /// A write of any kind, behind the breaker.
    pub(crate) fn guarded<R>(
        &self,
        key: &str,
        write: impl FnOnce() -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.core.supervisor.write(key, write)
    }

    /// Opens the namespace anew after [`Error::Forgotten`]: empty, unless another process was first.
    ///
    /// # Errors
    ///
    /// As [`SharedMapBuilder::connect`].
    pub fn reclaim(&self) -> Result<(), Error> {
        self.core.claim()
    }

    /// The value of a key, which counts as use of it.
    ///
    /// # Errors
    ///
    /// Fails when the schema does not know the key, or the server does not answer.
    pub fn get<K: AsKey>(&self, key: K) -> Result<Option<K::Value>, Error> {
        let value = self.core.supervisor.read(key.text(), || self.core.look_up(key.text()))?;
        value.map(|value| typed::<K>(&key, &value)).transpose()
    }

    /// Whether a key is there; no use of it.
    ///
    /// # Errors
    ///
    /// As [`SharedMap::get`].
    pub fn contains<K: AsKey>(&self, key: K) -> Result<bool, Error> {
        self.core.supervisor.peek(key.text(), || {
            let (_, found) = self.core.read([key.text()], false)?;
            Ok(found.iter().any(Option::is_some))
        })
    }

    /// Writes a value.
    ///
    /// # Errors
    ///
    /// Fails when the schema does not know the key, or asks for another value, and when the server does
    /// not answer: [`Error::is_unknown`] says whether it may be written all the same.
    pub fn set<K: AsKey>(&self, key: K, value: impl IntoTyped<K::Value>) -> Result<(), Error> {
        let value = value.into_typed().into();
        self.guarded(key.text(), || {
            let write = self.core.checked_write(key.text(), Some(value))?;
            self.core.commit(&[], &[write], false).map(drop)
        })
    }

    /// Removes an entry, and returns what it held.
    ///
    /// # Errors
    ///
    /// As [`SharedMap::set`]; and fails when the schema asks that the entry be there.
    pub fn remove<K: AsKey>(&self, key: K) -> Result<Option<K::Value>, Error> {
        let removed = self.guarded(key.text(), || {
            let write = self.core.checked_write(key.text(), None)?;
            self.core.commit(&[], &[write], false)
        })?;
        removed.map(|value| typed::<K>(&key, &value)).transpose()
    }

    /// Adds to an integer and returns the sum. An entry that is not there counts as zero.
    ///
    /// # Errors
    ///
    /// As [`SharedMap::set`]; and fails when the sum does not fit an integer or its range, or the entry
    /// is no integer.
    pub fn inc<K: AsKey>(&self, key: K, by: i64) -> Result<i64, Error> {
        self.guarded(key.text(), || self.inc_there(key.text(), by))
    }

    fn inc_there(&self, text: &str, by: i64) -> Result<i64, Error> {
        let rule = self.core.schema.rule_of(text)?;
        let Some((least, greatest)) = rule.value_type().integer_limits() else {
            return self.inc_here(text, by);
        };
        let mut call = Call::inc();
        call.arg(text).arg(by.to_string()).arg(least.to_string()).arg(greatest.to_string());
        call.arg(milliseconds(rule.time_to_live())).arg(milliseconds(rule.idle_time()));
        let (word, mut parts) = self.core.run_write(&call, [text], false)?;
        match word.as_str() {
            "ok" => {
                let number = parts.number()?;
                if let Some(cache) = &self.core.cache {
                    cache.changed([text], number);
                }
                let sum = parts.number()?;
                self.core.supervisor.note_changes(1, 0);
                Ok(sum)
            }
            "full" => Err(full(text.into(), &mut parts)?),
            "overflow" => {
                Err(Refusal::Overflow { key: text.into(), value: parts.number()?, by }.into())
            }
            "range" => {
                let sum: i64 = parts.number()?;
                self.core.schema.check(text, &Value::Integer(sum))?;
                Err(self.core.link.damaged("the server holds a number against another range"))
            }
            _ => Err(not_an_integer(text, &self.core.decode(&parts.bytes()?)?)),
        }
    }

    /// As [`SharedMap::inc`], for types of which the server can't be told what they admit.
    fn inc_here(&self, key: &str, by: i64) -> Result<i64, Error> {
        self.repeated(|| {
            let (_, found) = self.core.read_one(key)?;
            let (version, old) = found.map(|found| (found.version, found.value)).unzip();
            let old = match old {
                None => 0,
                Some(Value::Integer(old)) => old,
                Some(other) => return Err(not_an_integer(key, &other)),
            };
            let sum = old.checked_add(by).ok_or_else(|| Refusal::Overflow {
                key: key.into(),
                value: old,
                by,
            })?;
            let write = self.core.checked_write(key, Some(Value::Integer(sum)))?;
            let read = Read { key: Arc::clone(&write.key), version };
            self.core.commit(&[read], std::slice::from_ref(&write), false)?;
            Ok(sum)
        })
    }

    /// Writes `new` if the entry is `expected`; `None` is an entry that is not there.
    ///
    /// # Errors
    ///
    /// As [`SharedMap::set`] and, for a `new` of `None`, [`SharedMap::remove`]. That the entry differs
    /// is no error.
    pub fn compare_and_swap<K: AsKey>(
        &self,
        key: K,
        expected: Option<K::Value>,
        new: Option<K::Value>,
    ) -> Result<Swap<K::Value>, Error> {
        let expected: Option<Value> = expected.map(Into::into);
        self.guarded(key.text(), || {
            let write = self.core.checked_write(key.text(), new.map(Into::into))?;
            self.repeated(|| {
                let (_, found) = self.core.read_one(key.text())?;
                let (version, current) = found.map(|found| (found.version, found.value)).unzip();
                if current != expected {
                    let current = current.map(|value| typed::<K>(&key, &value)).transpose()?;
                    return Ok(Swap::Differs(current));
                }
                let read = Read { key: Arc::clone(&write.key), version };
                self.core.commit(&[read], std::slice::from_ref(&write), false)?;
                Ok(Swap::Done)
            })
        })
    }

    /// Replaces a value by what a closure makes of it, and returns that. `None` is an entry that is
    /// not there, before or after.
    ///
    /// The closure runs again when another writer was first.
    ///
    /// # Errors
    ///
    /// As [`SharedMap::compare_and_swap`]; and fails when other writers were first a thousand times.
    pub fn update<K: AsKey>(
        &self,
        key: K,
        mut change: impl FnMut(Option<K::Value>) -> Option<K::Value>,
    ) -> Result<Option<K::Value>, Error> {
        let attempt = || {
            let (_, found) = self.core.read_one(key.text())?;
            let (version, old) = found.map(|found| (found.version, found.value)).unzip();
            let old = old.map(|value| typed::<K>(&key, &value)).transpose()?;
            let write = self.core.checked_write(key.text(), change(old).map(Into::into))?;
            let read = Read { key: Arc::clone(&write.key), version };
            self.core.commit(&[read], std::slice::from_ref(&write), false)?;
            write.value.map(|value| typed::<K>(&key, &value)).transpose()
        };
        self.guarded(key.text(), || self.repeated(attempt))
    }

    /// The value of a key, made and written first when it is not there.
    ///
    /// The closure runs at most once. When another writer was first, what it made is dropped, and the
    /// other's value returned.
    ///
    /// # Errors
    ///
    /// As [`SharedMap::set`], when the entry is not there.
    pub fn get_or_insert_with<K: AsKey>(
        &self,
        key: K,
        make: impl FnOnce() -> K::Value,
    ) -> Result<K::Value, Error> {
        // Not from the cache: that an entry is there can be as old as the cache, and it is returned
        // as if it had just been so.
        let read = || Ok(self.core.read_one(key.text())?.1.map(|found| found.value));
        if let Some(value) = self.core.supervisor.read::<_, Error>(key.text(), read)? {
            return typed::<K>(&key, &value);
        }
        let value = make().into();
        let held = self.guarded(key.text(), || {
            let write = self.core.checked_write(key.text(), Some(value))?;
            let absent = Read { key: Arc::clone(&write.key), version: None };
            self.repeated(|| {
                match self.core.commit(
                    std::slice::from_ref(&absent),
                    std::slice::from_ref(&write),
                    false,
                ) {
                    Ok(_) => Ok(write.value.clone()),
                    Err(error) if error.is_stale() => match self.core.read_one(key.text())?.1 {
                        Some(found) => Ok(Some(found.value)),
                        None => Err(error),
                    },
                    Err(error) => Err(error),
                }
            })
        })?;
        match held {
            Some(value) => typed::<K>(&key, &value),
            None => Err(Refusal::Stale.into()),
        }
    }

    /// The number of entries held, expired ones that were not met yet included.
    ///
    /// # Errors
    ///
    /// Fails when the server does not answer.
    pub fn len(&self) -> Result<usize, Error> {
        let [_, data, ..] = &self.core.keys;
        self.core.link.call(crate::link::Purpose::Read, |connection| {
            redis::cmd("HLEN").arg(data).query(connection)
        })
    }

    /// Whether no entry is held.
    ///
    /// # Errors
    ///
    /// Fails when the server does not answer.
    pub fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.len()? == 0)
    }

    /// What the breaker of this process lets through; a map without one is closed, which lets all
    /// through.
    pub fn breaker_state(&self) -> BreakerState {
        self.core.supervisor.breaker_state()
    }

    /// The share of this process's writes that failed lately, from 0 to 1, as its breaker sees it; 0
    /// without one.
    pub fn write_failure_rate(&self) -> f64 {
        self.core.supervisor.write_failure_rate()
    }

    /// How often the cache had what was asked for.
    pub fn cache_hits(&self) -> u64 {
        self.core.cache.as_ref().map_or(0, Cache::hits)
    }

    /// Starts to set up who is told of changes to the keys of a pattern, by whichever process.
    ///
    /// Events come in the order of their versions, of all keys. When this process was away for longer
    /// than the feed keeps, or the server came back without its last writes, watchers get a
    /// [`Notice::Missed`](tophash_safemap::Notice::Missed): with the number of those, and before what came
    /// in their place; with one for a namespace that was emptied. Refusals are told in the process that
    /// was refused, when they happen.
    ///
    /// # Errors
    ///
    /// Fails when the server can't be asked where its feed is.
    pub fn watch(&self, pattern: KeyPattern) -> Result<WatchBuilder, Error> {
        self.listen()?;
        Ok(self.core.supervisor.feed().watch(pattern))
    }

    /// Starts the listener if it does not run.
    fn listen(&self) -> Result<(), Error> {
        let mut is_listening =
            self.handle.is_listening.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_listening {
            listener::start(&self.core)?;
            *is_listening = true;
        }
        Ok(())
    }

    /// Does something again while another writer was first.
    pub(crate) fn repeated<R>(
        &self,
        mut attempt: impl FnMut() -> Result<R, Error>,
    ) -> Result<R, Error> {
        for _ in 0..MOST_ATTEMPTS {
            match attempt() {
                Err(error) if error.is_stale() => {}
                result => return result,
            }
        }
        Err(Refusal::Contended { attempts: MOST_ATTEMPTS }.into())
    }
}

fn not_an_integer(key: &str, value: &Value) -> Error {
    match Type::integer().check(value) {
        Err(mut mismatch) => {
            mismatch.expected = "integer to add to".to_owned();
            Refusal::Refused { key: key.into(), mismatch: Box::new(mismatch) }.into()
        }
        Ok(()) => Refusal::Stale.into(),
    }
}
