//! All entries as they were at one moment, and a way through them that costs less.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::map::{Inner, SafeMap};
use crate::value::Value;

/// All entries of a map as they were at one moment.
///
/// ```
/// use tophash_safemap::{SafeMap, Schema};
///
/// let map = SafeMap::new(Schema::open());
/// map.set("a", 1)?;
/// let before = map.snapshot();
/// map.set("a", 2)?;
/// assert_eq!(before.get("a"), Some(&1.into()));
///
/// let copy = SafeMap::new(Schema::open());
/// copy.load(&before)?;
/// assert_eq!(copy.get("a")?, Some(1.into()));
/// # Ok::<(), tophash_safemap::Error>(())
/// ```
///
/// It costs a key, a value of three words and a hash slot for each entry; contents are shared with the
/// map, which lets go of them no earlier than the snapshot.
#[derive(Clone, Debug)]
pub struct Snapshot {
    entries: HashMap<Arc<str>, Value, foldhash::fast::RandomState>,
}

impl Snapshot {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value that a key had.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(key)
    }

    /// The entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (&**key, value))
    }
}

impl FromIterator<(Arc<str>, Value)> for Snapshot {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Value)>>(entries: I) -> Self {
        Self { entries: entries.into_iter().collect() }
    }
}

impl<'s> IntoIterator for &'s Snapshot {
    type Item = (Arc<str>, Value);
    type IntoIter = Box<dyn Iterator<Item = Self::Item> + 's>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.entries.iter().map(|(key, value)| (Arc::clone(key), value.clone())))
    }
}

/// The entries of a map, part by part; made by [`SafeMap::iter`].
#[derive(Debug)]
pub struct Iter<'m> {
    map: &'m Inner,
    next_shard: usize,
    entries: std::vec::IntoIter<(Arc<str>, Value)>,
}

impl Iterator for Iter<'_> {
    type Item = (Arc<str>, Value);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Some(entry);
            }
            let entries = self.map.store.shard_entries(self.next_shard)?;
            self.next_shard += 1;
            let pairs = entries.into_iter().map(|entry| (entry.key, entry.value));
            self.entries = pairs.collect::<Vec<_>>().into_iter();
        }
    }
}

impl SafeMap {
    /// All entries as they are at one moment.
    ///
    /// Writers are held up while all shards are marked, some microseconds, and then for as long as
    /// a few hundred entries of their shard are copied. The first change of an entry that has not been
    /// copied yet puts its old state by. One snapshot is taken at a time.
    pub fn snapshot(&self) -> Snapshot {
        let (entries, _) = self.inner.store.snapshot();
        Snapshot { entries: entries.into_iter().map(|entry| (entry.key, entry.value)).collect() }
    }

    /// Goes through the entries a shard at a time, each as it is when its turn comes.
    ///
    /// An entry that is there all the while comes once; one that is added or removed meanwhile may
    /// come or not. No lock is held between two steps. For one moment in time, see
    /// [`SafeMap::snapshot`].
    pub fn iter(&self) -> Iter<'_> {
        Iter { map: &self.inner, next_shard: 0, entries: Vec::new().into_iter() }
    }
}

impl<'m> IntoIterator for &'m SafeMap {
    type Item = (Arc<str>, Value);
    type IntoIter = Iter<'m>;

    fn into_iter(self) -> Iter<'m> {
        self.iter()
    }
}
