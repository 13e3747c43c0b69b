//! Several keys, read and written as one.
//!
//! Nothing is held on the server while a transaction runs. It notes the version of all it reads; each
//! new read that is of a later moment is followed by one of all keys read before, so that what the
//! closure sees is of one moment, even in a run that will be thrown away. At the end one script compares
//! the versions and writes, or the transaction runs anew.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tophash_safemap::{AsKey, Error as Refusal, IntoTyped, Value};

use crate::core::{Core, Read, Write, typed};
use crate::error::Error;
use crate::map::SharedMap;

/// What a transaction sees and does; made by [`SharedMap::transaction`].
pub struct Transaction<'m> {
    core: &'m Core,
    reads: Vec<Read>,
    /// The number as of which all reads are known to hold.
    moment: Option<u64>,
    /// Whether something that was read may expire, which changes no number.
    may_expire: bool,
    /// What was read or is to be written, by key.
    keys: BTreeMap<Arc<str>, Seen>,
}

struct Seen {
    value: Option<Value>,
    write: Option<Write>,
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.keys.keys()).finish()
    }
}

impl Transaction<'_> {
    /// The value of a key, as this transaction has left it.
    ///
    /// # Errors
    ///
    /// Fails when the schema does not know the key or the server does not answer, and with
    /// [`tophash_safemap::Error::Stale`] when something that was read has changed: return that error.
    pub fn get<K: AsKey>(&mut self, key: K) -> Result<Option<K::Value>, Error> {
        if !self.keys.contains_key(key.text()) {
            self.read(key.text())?;
        }
        let value = self.keys.get(key.text()).and_then(|seen| seen.value.as_ref());
        value.map(|value| typed::<K>(&key, value)).transpose()
    }

    fn read(&mut self, key: &str) -> Result<(), Error> {
        let (number, found) = self.core.read_one(key)?;
        let key: Arc<str> = key.into();
        let is_later = self.moment.is_some_and(|moment| moment != number) || self.may_expire;
        self.may_expire |= found.as_ref().is_some_and(|found| found.left.is_some());
        let (version, value) = found.map(|found| (found.version, found.value)).unzip();
        self.reads.push(Read { key: Arc::clone(&key), version });
        self.keys.insert(key, Seen { value, write: None });
        self.moment = Some(number);
        if is_later && !self.still()? {
            return Err(Refusal::Stale.into());
        }
        Ok(())
    }

    /// Whether all that was read still is so.
    fn still(&mut self) -> Result<bool, Error> {
        let (number, found) = self.core.read(self.reads.iter().map(|read| &*read.key), false)?;
        self.moment = Some(number);
        let now = found.iter().map(|found| found.as_ref().map(|found| &found.version));
        Ok(now.eq(self.reads.iter().map(|read| read.version.as_ref())))
    }

    /// Writes a value, once the transaction is done.
    ///
    /// # Errors
    ///
    /// Fails when the schema does not know the key, or asks for another value.
    pub fn set<K: AsKey>(&mut self, key: K, value: impl IntoTyped<K::Value>) -> Result<(), Error> {
        self.change(key.text(), Some(value.into_typed().into()))
    }

    /// Removes an entry, once the transaction is done.
    ///
    /// # Errors
    ///
    /// Fails when the schema does not know the key, or asks that it be there.
    pub fn remove<K: AsKey>(&mut self, key: K) -> Result<(), Error> {
        self.change(key.text(), None)
    }

    fn change(&mut self, key: &str, value: Option<Value>) -> Result<(), Error> {
        let write = self.core.checked_write(key, value.clone())?;
        self.keys.insert(Arc::clone(&write.key), Seen { value, write: Some(write) });
        Ok(())
    }

    /// An error that ends the transaction with nothing written, for the closure to return.
    pub fn give_up(&self, reason: impl Into<String>) -> Error {
        Refusal::GivenUp { reason: reason.into() }.into()
    }
}

impl SharedMap {
    /// Runs a closure that reads and writes several keys as one: all of it, or, when it returns an
    /// error, nothing.
    ///
    /// The closure runs again when another writer changed what it had read; so it should do nothing but
    /// compute. Each first read of a key is a call of the server.
    ///
    /// # Errors
    ///
    /// Returns the closure's error, whatever the breaker says; fails as [`SharedMap::set`] does where
    /// something is to be written, and when other writers were first a thousand times.
    pub fn transaction<R>(
        &self,
        mut run: impl FnMut(&mut Transaction<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.repeated(|| {
            let mut transaction = Transaction {
                core: &self.core,
                reads: Vec::new(),
                moment: None,
                may_expire: false,
                keys: BTreeMap::new(),
            };
            let result = match run(&mut transaction) {
                Ok(result) => result,
                // An error that comes of something that is no longer so is none.
                Err(Error::Map(refusal)) if refusal != Refusal::Stale => {
                    if !transaction.reads.is_empty() && !transaction.still()? {
                        return Err(Refusal::Stale.into());
                    }
                    let error = Error::from(refusal);
                    self.core.supervisor.failed("", &error);
                    return Err(error);
                }
                Err(error) => return Err(error),
            };
            let writes: Vec<Write> =
                transaction.keys.into_values().filter_map(|seen| seen.write).collect();
            if !writes.is_empty() {
                self.guarded("", || self.core.commit(&transaction.reads, &writes, false))?;
            }
            Ok(result)
        })
    }
}
