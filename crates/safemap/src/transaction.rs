//! Several keys, read and written as one.
//!
//! A transaction runs with no lock held. It notes the version of all it reads, and keeps its writes to
//! itself; at the end all locks that it needs are taken in order, the versions are compared, and its
//! writes are done, or it runs anew. What it reads is of one moment at any time: each new read is
//! followed by a comparison of what was read before (opacity), so that a closure never sees, even in
//! a run that will be thrown away, a state that never was.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::breaker::Pass;
use crate::entry::NEVER;
use crate::error::Error;
use crate::event::Change;
use crate::key::AsKey;
use crate::map::{MOST_ATTEMPTS, SafeMap, typed};
use crate::store::{CommitFault, Read, ShardVersions, Write};
use crate::value::{IntoTyped, Value, Weighed};

/// What a transaction sees and does.
///
/// ```
/// use tophash_safemap::{Error, SafeMap, Schema, Type};
///
/// let map = SafeMap::new(Schema::builder().key("account.*", Type::integer().range(0..)).build()?);
/// map.set("account.a", 10)?;
/// map.set("account.b", 0)?;
/// let (a, b) = (map.key::<i64>("account.a")?, map.key::<i64>("account.b")?);
///
/// let transfer = |amount| {
///     map.transaction(|transaction| {
///         let balance = transaction.get(&a)?.unwrap_or(0);
///         transaction.set(&a, balance - amount)?;
///         let other = transaction.get(&b)?.unwrap_or(0);
///         transaction.set(&b, other + amount)
///     })
/// };
/// transfer(7)?;
/// assert!(transfer(7).is_err(), "the balance would be below zero");
/// assert_eq!((map.get(&a)?, map.get(&b)?), (Some(3), Some(7)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Transaction<'m> {
    map: &'m SafeMap,
    reads: Vec<Read>,
    seen: ShardVersions,
    /// What was read or is to be written, by key.
    keys: BTreeMap<Arc<str>, Seen>,
}

struct Seen {
    value: Option<Value>,
    /// What is to be done at the end, if it is a write.
    write: Option<Write>,
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.keys.keys().collect();
        out.debug_struct("Transaction").field("keys", &keys).finish_non_exhaustive()
    }
}

impl Transaction<'_> {
    /// The value of a key, as this transaction has left it.
    ///
    /// # Errors
    ///
    /// Fails when the schema does not know the key, and with [`Error::Stale`] when something that was
    /// read has changed, so that to go on would be in vain: return that error.
    pub fn get<K: AsKey>(&mut self, key: K) -> Result<Option<K::Value>, Error> {
        if !self.keys.contains_key(key.text()) {
            self.read(&key)?;
        }
        let value = self.keys.get(key.text()).and_then(|seen| seen.value.as_ref());
        value.map(|value| typed::<K>(&key, value)).transpose()
    }

    fn read<K: AsKey>(&mut self, key: &K) -> Result<(), Error> {
        self.map.rule_of(key)?;
        let store = &self.map.inner.store;
        let hash = store.hash(key.text());
        let life = |rule: u16| self.map.inner.lives[usize::from(rule)];
        let entry = store.read(hash, key.text(), Some(&life), &mut self.seen);
        let text: Arc<str> = key.shared().map_or_else(|| key.text().into(), Arc::clone);
        self.reads.push(Read {
            hash,
            key: Arc::clone(&text),
            version: entry.as_ref().map(|entry| entry.version()),
            expires: entry.as_ref().map_or(NEVER, |entry| entry.expires()),
        });
        let value = entry.map(|entry| entry.value);
        self.keys.insert(text, Seen { value, write: None });
        if store.still(&self.reads, &mut self.seen) { Ok(()) } else { Err(Error::Stale) }
    }

    /// Writes a value, once the transaction is done.
    ///
    /// # Errors
    ///
    /// Fails when the schema does not know the key, or asks for another value.
    pub fn set<K: AsKey>(&mut self, key: K, value: impl IntoTyped<K::Value>) -> Result<(), Error> {
        self.change(&key, Some(value.into_typed().into()))
    }

    /// Removes an entry, once the transaction is done.
    ///
    /// # Errors
    ///
    /// Fails when the schema does not know the key, or asks that it be there.
    pub fn remove<K: AsKey>(&mut self, key: K) -> Result<(), Error> {
        self.change(&key, None)
    }

    fn change<K: AsKey>(&mut self, key: &K, value: Option<Value>) -> Result<(), Error> {
        let rule = self.map.rule_of(key)?;
        let write = self.map.checked_write(key.text(), rule, value.clone())?;
        self.keys.insert(Arc::clone(&write.key), Seen { value, write: Some(write) });
        Ok(())
    }

    /// An error that ends the transaction with nothing written, for the closure to return.
    pub fn give_up(&self, reason: impl Into<String>) -> Error {
        Error::GivenUp { reason: reason.into() }
    }
}

impl SafeMap {
    /// Runs a closure that reads and writes several keys as one: all of it, or, when it returns an
    /// error, nothing.
    ///
    /// The closure runs with no lock held, and again when another writer changed what it had read;
    /// so it should do nothing but compute. It may use the map itself, which does not see its writes.
    ///
    /// # Errors
    ///
    /// Returns the closure's error, whatever the breaker says; fails as [`SafeMap::set`] does where
    /// something is to be written, and when other writers were first ten thousand times.
    pub fn transaction<R>(
        &self,
        mut run: impl FnMut(&mut Transaction<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        for _ in 0..MOST_ATTEMPTS {
            let mut transaction = Transaction {
                map: self,
                reads: Vec::new(),
                seen: ShardVersions::new(),
                keys: BTreeMap::new(),
            };
            let result = run(&mut transaction);
            let Transaction { reads, mut seen, keys, .. } = transaction;
            let result = match result {
                Ok(result) => result,
                Err(Error::Stale) => continue,
                // An error that comes of something that is no longer so is none.
                Err(_) if !self.inner.store.still(&reads, &mut seen) => continue,
                // It ends by itself: a breaker has nothing to stop, and no probe is used up.
                Err(error) => {
                    self.note_failure("", &error, Pass::Ordinary);
                    return Err(error);
                }
            };
            let writes: Vec<Write> = keys.into_values().filter_map(|seen| seen.write).collect();
            if writes.is_empty() {
                // Its last read has shown that all of them were of one moment. No breaker stops it.
                return Ok(result);
            }
            match self.guarded("", || self.commit(&reads, &writes, false)) {
                Ok(()) => return Ok(result),
                Err(Error::Stale) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Contended { attempts: MOST_ATTEMPTS })
    }

    /// A write that the schema has admitted.
    pub(crate) fn checked_write(
        &self,
        key: &str,
        rule: u16,
        value: Option<Value>,
    ) -> Result<Write, Error> {
        let life = self.inner.lives[usize::from(rule)];
        match &value {
            Some(value) => self.inner.schema.admit(rule, key, value)?,
            None if life.is_required => return Err(Error::Required { key: key.into() }),
            None => {}
        }
        let (hash, value) = (self.inner.store.hash(key), value.map(Weighed::of));
        Ok(Write { hash, key: key.into(), rule, life, value })
    }

    /// Writes all or nothing; `writes` are in the order of their keys.
    pub(crate) fn commit(
        &self,
        reads: &[Read],
        writes: &[Write],
        replaces: bool,
    ) -> Result<(), Error> {
        for write in writes {
            let change = if write.value.is_some() { Change::Written } else { Change::Removed };
            self.inner.store.hub().wait_for_room(&write.key, &[change])?;
        }
        self.inner.store.commit(reads, writes, replaces).map_err(|fault| match fault {
            CommitFault::Stale => Error::Stale,
            CommitFault::Full(bound) => {
                let first = writes.first();
                let key = first.map_or_else(|| "".into(), |write| Arc::clone(&write.key));
                self.inner.limits.refuse(key, bound)
            }
        })
    }
}
