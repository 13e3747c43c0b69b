//! Many entries at once: loading a whole configuration, and merging another map.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::entry::NEVER;
use crate::error::Error;
use crate::map::{MOST_ATTEMPTS, SafeMap};
use crate::store::{Read, ShardVersions, Write};
use crate::value::Value;

/// The most faults that are told at once.
pub(crate) const MOST_FAULTS: usize = 100;

/// What a rule function gets: the key, our value, and theirs.
type Resolve<'f> = dyn Fn(&str, &Value, &Value) -> Value + 'f;

/// What a merge does with a key of which both sides have different values.
///
/// ```
/// use tophash_safemap::{Conflict, SafeMap, Schema, Value};
///
/// let map = SafeMap::new(Schema::open());
/// map.set("hits", 2)?;
/// let sum = |_: &str, ours: &Value, theirs: &Value| {
///     Value::from(ours.as_integer().unwrap_or(0) + theirs.as_integer().unwrap_or(0))
/// };
/// map.merge([("hits", 3)], Conflict::With(&sum))?;
/// assert_eq!(map.get("hits")?, Some(5.into()));
/// # Ok::<(), tophash_safemap::Error>(())
/// ```
#[non_exhaustive]
pub enum Conflict<'f> {
    /// Theirs is written over ours.
    Theirs,
    /// Ours stays.
    Ours,
    /// The merge is refused.
    Error,
    /// A function decides, of which the map asks nothing but that the schema admit what it returns.
    /// It runs with no lock held, and again when another writer was first.
    With(&'f Resolve<'f>),
}

impl fmt::Debug for Conflict<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Theirs => "Theirs",
            Self::Ours => "Ours",
            Self::Error => "Error",
            Self::With(_) => "With",
        })
    }
}

/// What a merge did.
///
/// ```
/// use tophash_safemap::{Conflict, SafeMap, Schema};
///
/// let map = SafeMap::new(Schema::open());
/// map.set("a", 1)?;
/// let merged = map.merge([("a", 2), ("b", 2)], Conflict::Ours)?;
/// assert_eq!((merged.written, merged.kept), (1, 1));
/// # Ok::<(), tophash_safemap::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Merged {
    /// Entries that were added or replaced.
    pub written: usize,
    /// Entries that stayed as they were.
    pub kept: usize,
}

impl SafeMap {
    /// Replaces the whole content: all of it is held against the schema before any of it is seen, and
    /// a reader sees all of the old or all of the new. Of a key that comes twice, the last counts.
    ///
    /// ```
    /// use tophash_safemap::{SafeMap, Schema, Type};
    ///
    /// let schema = Schema::builder()
    ///     .key("http.port", Type::integer().range(1..=65_535).required())
    ///     .key("http.host", Type::string())
    ///     .build()?;
    /// let config = SafeMap::new(schema);
    /// config.load([("http.port", 80)])?;
    /// let refused = config.load([("http.prot", 80), ("http.host", 7)]).unwrap_err();
    /// assert!(refused.to_string().starts_with("3 faults"));
    /// assert_eq!(config.get("http.port")?, Some(80.into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// All locks are held while the entries are moved in: some tens of nanoseconds an entry.
    ///
    /// # Errors
    ///
    /// Tells all that is wrong with what came, required keys that are missing included; and fails as
    /// [`SafeMap::set`] does.
    pub fn load<K, V>(&self, entries: impl IntoIterator<Item = (K, V)>) -> Result<(), Error>
    where
        K: Into<Arc<str>>,
        V: Into<Value>,
    {
        self.guarded("", || {
            let writes = self.checked(entries, true)?;
            self.commit(&[], &writes, true)
        })
    }

    /// Writes the entries of another map into this one, all or nothing, under a rule for keys that
    /// both have. Of a key that comes twice, the last counts.
    ///
    /// # Errors
    ///
    /// Tells all that is wrong with what came; [`Error::Conflict`] under [`Conflict::Error`]; and
    /// fails as [`SafeMap::transaction`] does.
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
            for _ in 0..MOST_ATTEMPTS {
                let (reads, writes) = self.resolve(&theirs, &conflict)?;
                match self.commit(&reads, &writes, false) {
                    Ok(()) => {
                        let written = writes.len();
                        return Ok(Merged { written, kept: theirs.len() - written });
                    }
                    Err(Error::Stale) => {}
                    Err(error) => return Err(error),
                }
            }
            Err(Error::Contended { attempts: MOST_ATTEMPTS })
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
        let store = &self.inner.store;
        let (mut reads, mut writes) = (Vec::new(), Vec::new());
        for write in theirs {
            // That it is compared is no use of it.
            let entry = store.read(write.hash, &write.key, None, &mut ShardVersions::new());
            reads.push(Read {
                hash: write.hash,
                key: Arc::clone(&write.key),
                version: entry.as_ref().map(|entry| entry.version()),
                expires: entry.as_ref().map_or(NEVER, |entry| entry.expires()),
            });
            let (Some(ours), Some(value)) = (entry.map(|entry| entry.value), &write.value) else {
                writes.push(write.clone());
                continue;
            };
            let value = &value.value;
            if ours == *value {
                continue;
            }
            match conflict {
                Conflict::Theirs => writes.push(write.clone()),
                Conflict::Ours => {}
                Conflict::Error => return Err(Error::Conflict { key: Arc::clone(&write.key) }),
                Conflict::With(resolve) => {
                    let made = resolve(&write.key, &ours, value);
                    if made != ours {
                        writes.push(self.checked_write(&write.key, write.rule, Some(made))?);
                    }
                }
            }
        }
        Ok((reads, writes))
    }

    /// The entries as writes in the order of their keys, or all that is wrong with them.
    pub(crate) fn checked<K, V>(
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
            faults.extend(self.inner.schema.missing(&entries));
        }
        let mut writes = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let write = self
                .inner
                .schema
                .find(&key)
                .and_then(|rule| self.checked_write(&key, rule, Some(value)));
            match write {
                Ok(write) => writes.push(Write { key, ..write }),
                Err(fault) if faults.len() < MOST_FAULTS => faults.push(fault),
                Err(_) => {}
            }
        }
        if faults.is_empty() { Ok(writes) } else { Err(Error::Invalid { faults }) }
    }
}
