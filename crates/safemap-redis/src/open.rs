//! A map in memory or a shared one, as a URL says.

use std::sync::Arc;
use std::time::Duration;

use tophash_safemap::{
    AsKey, AuditRecord, Auditor, BreakerState, Conflict, Error as Refusal, Growth, HookError,
    IntoTyped, Key, KeyFamily, KeyPattern, Merged, Operations, SafeMap, Schema, Snapshot, Swap,
    TypedValue, Value, WatchBuilder,
};

use crate::error::Error;
use crate::map::SharedMap;
use crate::transaction::Transaction;

/// A map in memory (`memory:`) or a shared one (`redis://…`), for a service whose settings decide.
///
/// ```
/// use tophash_safemap::Schema;
/// use tophash_safemap_redis::OpenMap;
///
/// let url = std::env::var("FLAGS_URL").unwrap_or_else(|_| "memory:".to_owned());
/// let flags = OpenMap::open(&url, Schema::open())?;
/// flags.set("flag.dark", true)?;
/// assert_eq!(flags.get("flag.dark")?, Some(true.into()));
/// # Ok::<(), tophash_safemap_redis::Error>(())
/// ```
///
/// It has what both have. For bounds, a breaker, metrics or a cache, build the map itself and put it in
/// here.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OpenMap {
    /// In this process alone.
    Memory(SafeMap),
    /// Shared between processes.
    Shared(SharedMap),
}

/// What a transaction of an [`OpenMap`] sees and does.
#[derive(Debug)]
pub enum OpenTransaction<'t, 'm> {
    /// Of a map in memory.
    Memory(&'t mut tophash_safemap::Transaction<'m>),
    /// Of a shared map.
    Shared(&'t mut Transaction<'m>),
}

/// Does the same with either; what a map in memory refuses is one of our errors.
macro_rules! either {
    ($this:expr, $map:ident => $operation:expr) => {
        match $this {
            OpenMap::Memory($map) => Ok($operation?),
            OpenMap::Shared($map) => $operation,
        }
    };
}

impl OpenMap {
    /// Opens what a URL names.
    ///
    /// # Errors
    ///
    /// As [`SharedMap::connect`]; `memory:` never fails.
    pub fn open(url: &str, schema: Schema) -> Result<Self, Error> {
        match url {
            "memory:" => Ok(Self::Memory(SafeMap::new(schema))),
            _ if !url.starts_with("redis") => Err(Error::Url {
                reason: "it is not memory: and begins with no redis:// or rediss://",
            }),
            _ => SharedMap::connect(url, schema).map(Self::Shared),
        }
    }

    /// The schema.
    pub fn schema(&self) -> &Schema {
        match self {
            Self::Memory(map) => map.schema(),
            Self::Shared(map) => map.schema(),
        }
    }

    /// As [`SafeMap::key`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn key<T: TypedValue>(&self, text: &str) -> Result<Key<T>, Error> {
        Ok(self.schema().key(text)?)
    }

    /// As [`SafeMap::family`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn family<T: TypedValue>(&self, pattern: &str) -> Result<KeyFamily<T>, Error> {
        Ok(self.schema().family(pattern)?)
    }

    /// As [`SharedMap::get`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn get<K: AsKey>(&self, key: K) -> Result<Option<K::Value>, Error> {
        either!(self, map => map.get(key))
    }

    /// As [`SharedMap::contains`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn contains<K: AsKey>(&self, key: K) -> Result<bool, Error> {
        either!(self, map => map.contains(key))
    }

    /// As [`SharedMap::set`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn set<K: AsKey>(&self, key: K, value: impl IntoTyped<K::Value>) -> Result<(), Error> {
        either!(self, map => map.set(key, value))
    }

    /// As [`SharedMap::remove`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn remove<K: AsKey>(&self, key: K) -> Result<Option<K::Value>, Error> {
        either!(self, map => map.remove(key))
    }

    /// As [`SharedMap::inc`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn inc<K: AsKey>(&self, key: K, by: i64) -> Result<i64, Error> {
        either!(self, map => map.inc(key, by))
    }

    /// As [`SharedMap::compare_and_swap`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn compare_and_swap<K: AsKey>(
        &self,
        key: K,
        expected: Option<K::Value>,
        new: Option<K::Value>,
    ) -> Result<Swap<K::Value>, Error> {
        either!(self, map => map.compare_and_swap(key, expected, new))
    }

    /// As [`SharedMap::update`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn update<K: AsKey>(
        &self,
        key: K,
        change: impl FnMut(Option<K::Value>) -> Option<K::Value>,
    ) -> Result<Option<K::Value>, Error> {
        either!(self, map => map.update(key, change))
    }

    /// As [`SharedMap::get_or_insert_with`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn get_or_insert_with<K: AsKey>(
        &self,
        key: K,
        make: impl FnOnce() -> K::Value,
    ) -> Result<K::Value, Error> {
        either!(self, map => map.get_or_insert_with(key, make))
    }

    /// As [`SharedMap::load`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn load<K, V>(&self, entries: impl IntoIterator<Item = (K, V)>) -> Result<(), Error>
    where
        K: Into<Arc<str>>,
        V: Into<Value>,
    {
        either!(self, map => map.load(entries))
    }

    /// As [`SharedMap::load_json`].
    ///
    /// # Errors
    ///
    /// As there.
    #[cfg(feature = "json")]
    pub fn load_json(&self, text: &str) -> Result<(), Error> {
        either!(self, map => map.load_json(text))
    }

    /// As [`SharedMap::merge`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn merge<K, V>(
        &self,
        entries: impl IntoIterator<Item = (K, V)>,
        conflict: Conflict<'_>,
    ) -> Result<Merged, Error>
    where
        K: Into<Arc<str>>,
        V: Into<Value>,
    {
        either!(self, map => map.merge(entries, conflict))
    }

    /// As [`SharedMap::snapshot`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        match self {
            Self::Memory(map) => Ok(map.snapshot()),
            Self::Shared(map) => map.snapshot(),
        }
    }

    /// As [`SharedMap::watch`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn watch(&self, pattern: KeyPattern) -> Result<WatchBuilder, Error> {
        match self {
            Self::Memory(map) => Ok(map.watch(pattern)),
            Self::Shared(map) => map.watch(pattern),
        }
    }

    /// As [`SharedMap::audit`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn audit(&self) -> Result<AuditRecord, Error> {
        match self {
            Self::Memory(map) => Ok(map.audit()),
            Self::Shared(map) => map.audit(),
        }
    }

    /// As [`SharedMap::audit_every`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn audit_every(
        &self,
        interval: Duration,
        sink: impl FnMut(&AuditRecord) -> Result<(), HookError> + Send + 'static,
    ) -> Result<Auditor, Error> {
        match self {
            Self::Memory(map) => map
                .audit_every(interval, sink)
                .map_err(|error| Error::Thread { reason: error.to_string() }),
            Self::Shared(map) => map.audit_every(interval, sink),
        }
    }

    /// As [`SharedMap::operations`].
    pub fn operations(&self) -> Operations {
        match self {
            Self::Memory(map) => map.operations(),
            Self::Shared(map) => map.operations(),
        }
    }

    /// As [`SharedMap::growths`].
    pub fn growths(&self) -> Vec<Growth> {
        match self {
            Self::Memory(map) => map.growths(),
            Self::Shared(map) => map.growths(),
        }
    }

    /// As [`SharedMap::breaker_state`].
    pub fn breaker_state(&self) -> BreakerState {
        match self {
            Self::Memory(map) => map.breaker_state(),
            Self::Shared(map) => map.breaker_state(),
        }
    }

    /// As [`SharedMap::write_failure_rate`].
    pub fn write_failure_rate(&self) -> f64 {
        match self {
            Self::Memory(map) => map.write_failure_rate(),
            Self::Shared(map) => map.write_failure_rate(),
        }
    }

    /// As [`SharedMap::transaction`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn transaction<R>(
        &self,
        mut run: impl FnMut(&mut OpenTransaction<'_, '_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let map = match self {
            Self::Memory(map) => map,
            Self::Shared(map) => {
                return map.transaction(|inner| run(&mut OpenTransaction::Shared(inner)));
            }
        };
        // A map in memory knows its own errors alone; any other is handed past it.
        let mut fault = None;
        let result = map.transaction(|inner| {
            fault = None;
            run(&mut OpenTransaction::Memory(inner)).map_err(|error| match error {
                Error::Map(refusal) => refusal,
                other => {
                    fault = Some(other);
                    Refusal::GivenUp { reason: String::new() }
                }
            })
        });
        match (result, fault) {
            (Err(_), Some(fault)) => Err(fault),
            (result, _) => Ok(result?),
        }
    }
}

impl OpenTransaction<'_, '_> {
    /// As [`Transaction::get`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn get<K: AsKey>(&mut self, key: K) -> Result<Option<K::Value>, Error> {
        match self {
            Self::Memory(inner) => Ok(inner.get(key)?),
            Self::Shared(inner) => inner.get(key),
        }
    }

    /// As [`Transaction::set`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn set<K: AsKey>(&mut self, key: K, value: impl IntoTyped<K::Value>) -> Result<(), Error> {
        match self {
            Self::Memory(inner) => Ok(inner.set(key, value)?),
            Self::Shared(inner) => inner.set(key, value),
        }
    }

    /// As [`Transaction::remove`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn remove<K: AsKey>(&mut self, key: K) -> Result<(), Error> {
        match self {
            Self::Memory(inner) => Ok(inner.remove(key)?),
            Self::Shared(inner) => inner.remove(key),
        }
    }

    /// As [`Transaction::give_up`].
    pub fn give_up(&self, reason: impl Into<String>) -> Error {
        Refusal::GivenUp { reason: reason.into() }.into()
    }
}
