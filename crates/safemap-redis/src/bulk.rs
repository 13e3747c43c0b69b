//! Many entries at once: a whole content, a merge, a snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tophash_safemap::{Conflict, Error as Refusal, Merged, Snapshot, Value};

use crate::core::{MOST_WRITES, Read, Write};
use crate::error::Error;
use crate::map::SharedMap;
use crate::script::Call;

/// The most faults that are told at once.
const MOST_FAULTS: usize = 100;

impl SharedMap {
    /// Replaces the whole content: all of it is held against the schema before any of it is seen, and
    /// a reader sees all of the old or all of the new. Of a key that comes twice, the last counts.
    ///
    /// The server does nothing else while it moves the entries in, of which there may be no more than
    /// 100,000.
    ///
    /// # Errors
    ///
    /// Tells all that is wrong with what came, required keys that are missing included; and fails as
    /// [`SharedMap::set`] does.
    pub fn load<K, V>(&self, entries: impl IntoIterator<Item = (K, V)>) -> Result<(), Error>
    where
        K: Into<Arc<str>>,
        V: Into<Value>,
    {
        self.guarded("", || {
            let writes = self.checked(entries, true)?;
            self.core.commit(&[], &writes, true).map(drop)
        })
    }

    /// Replaces the whole content by a document in JSON: nested objects are dotted keys, as for a map
    /// in memory.
    ///
    /// # Errors
    ///
    /// Fails on text that is no object in JSON, and otherwise as [`SharedMap::load`] does.
    #[cfg(feature = "json")]
    pub fn load_json(&self, text: &str) -> Result<(), Error> {
        self.guarded("", || {
            let entries = self.core.schema.read_json(text)?;
            let writes = self.checked(entries, true)?;
            self.core.commit(&[], &writes, true).map(drop)
        })
    }

    /// Writes entries, all or nothing, under a rule for keys that both have. Of a key that comes
    /// twice, the last counts. There may be no more than 100,000.
    ///
    /// # Errors
    ///
    /// Tells all that is wrong with what came; fails under [`Conflict::Error`] when both have a key with
    /// different values; and fails as [`SharedMap::transaction`] does.
    pub fn merge<K, V>(
        &self,
        entries: impl IntoIterator<Item = (K, V)>,
        conflict: Conflict<'_>,
    ) -> Result<Merged, Error>
    where
        K: Into<Arc<str>>,
        V: Into<Value>,
    {
        self.guarded("", || {
            let theirs = self.checked(entries, false)?;
            if theirs.len() > MOST_WRITES {
                return Err(Error::TooMany { entries: theirs.len(), most: MOST_WRITES });
            }
            self.repeated(|| {
                let (reads, writes) = self.resolve(&theirs, &conflict)?;
                self.core.commit(&reads, &writes, false)?;
                let mut merged = Merged::default();
                merged.written = writes.len();
                merged.kept = theirs.len() - writes.len();
                Ok(merged)
            })
        })
    }

    /// What is to be written of theirs, and what has to stay as it is for that to be right.
    fn resolve(
        &self,
        theirs: &[Write],
        conflict: &Conflict<'_>,
    ) -> Result<(Vec<Read>, Vec<Write>), Error> {
        if matches!(conflict, Conflict::Theirs) {
            return Ok((Vec::new(), theirs.to_vec()));
        }
        let (_, found) = self.core.read(theirs.iter().map(|write| &*write.key), false)?;
        let (mut reads, mut writes) = (Vec::new(), Vec::new());
        for (write, found) in theirs.iter().zip(found) {
            let (version, ours) = found.map(|found| (found.version, found.value)).unzip();
            reads.push(Read { key: Arc::clone(&write.key), version });
            let (Some(ours), Some(value)) = (ours, &write.value) else {
                writes.push(write.clone());
                continue;
            };
            if ours == *value {
                continue;
            }
            match conflict {
                Conflict::Theirs => writes.push(write.clone()),
                Conflict::Ours => {}
                Conflict::With(resolve) => {
                    let made = resolve(&write.key, &ours, value);
                    if made != ours {
                        writes.push(self.core.checked_write(&write.key, Some(made))?);
                    }
                }
                // A rule that is newer than this merge is as strict as the strictest.
                _ => return Err(Refusal::Conflict { key: Arc::clone(&write.key) }.into()),
            }
        }
        Ok((reads, writes))
    }

    /// The entries as writes in the order of their keys, or all that is wrong with them.
    fn checked<K, V>(
        &self,
        entries: impl IntoIterator<Item = (K, V)>,
        is_whole: bool,
    ) -> Result<Vec<Write>, Error>
    where
        K: Into<Arc<str>>,
        V: Into<Value>,
    {
        let entries: BTreeMap<Arc<str>, Value> =
            entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let mut faults = Vec::new();
        if is_whole {
            faults.extend(self.core.schema.missing(&entries));
        }
        let mut writes = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            match self.core.checked_write(&key, Some(value)) {
                Ok(write) => writes.push(write),
                Err(Error::Map(fault)) if faults.len() < MOST_FAULTS => faults.push(fault),
                Err(_) => {}
            }
        }
        if faults.is_empty() { Ok(writes) } else { Err(Refusal::Invalid { faults }.into()) }
    }

    /// All entries as they are at one moment.
    ///
    /// The server does nothing else while it writes them out, and all of them travel: some tenths of
    /// a second for a hundred thousand. The memory for it is taken here and there.
    ///
    /// # Errors
    ///
    /// Fails when the server does not answer.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        let all = self.all()?;
        Ok(all.entries.into_iter().map(|(key, held)| (key, held.value)).collect())
    }

    /// All entries, with what the server knows of each.
    pub(crate) fn all(&self) -> Result<All, Error> {
        let (_, mut parts) = self.core.run(&Call::all())?;
        let now = parts.number()?;
        let mut bound = || -> Result<Option<u64>, Error> { Ok(parts.text()?.parse().ok()) };
        let (max_entries, max_bytes) = (bound()?, bound()?);
        let mut raw = parts.parts()?;
        let mut entries = Vec::new();
        while !raw.is_empty() {
            let key = raw.text()?;
            if let Some(held) = self.held(&raw.bytes()?, now)? {
                entries.push((Arc::from(key), held));
            }
        }
        Ok(All { entries, max_entries, max_bytes })
    }

    /// An entry as it lies on the server, unless it has expired.
    fn held(&self, raw: &[u8], now: u64) -> Result<Option<Held>, Error> {
        let fault = || self.core.link.damaged("an entry has not the expected form");
        // Version, end, deadline, birth and writes come before the payload.
        let mut parts = raw.splitn(6, |byte| *byte == b' ').skip(1);
        let mut number = || {
            let text = parts.next().and_then(|part| std::str::from_utf8(part).ok());
            text.and_then(|text| text.parse::<u64>().ok()).ok_or_else(fault)
        };
        let (expires, _deadline, born, writes) = (number()?, number()?, number()?, number()?);
        let payload = parts.next().ok_or_else(fault)?;
        if expires > 0 && expires <= now {
            return Ok(None);
        }
        let age = Duration::from_millis(now.saturating_sub(born));
        let value = self.core.decode(payload)?;
        Ok(Some(Held { value, age, writes, payload_bytes: payload.len() as u64 }))
    }
}

/// All that a namespace holds, at one moment.
pub(crate) struct All {
    pub(crate) entries: Vec<(Arc<str>, Held)>,
    pub(crate) max_entries: Option<u64>,
    pub(crate) max_bytes: Option<u64>,
}

/// An entry, and what the server knows of it.
pub(crate) struct Held {
    value: Value,
    pub(crate) age: Duration,
    pub(crate) writes: u64,
    pub(crate) payload_bytes: u64,
}
