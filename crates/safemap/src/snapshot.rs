//! All entries as they were at one moment, and a way through them that costs less.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::map::{Inner, SafeMap};
use crate::name::Name;
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
/// It costs a key and a value of three words each for an entry, and a slot of an index once the first
/// key is asked for; contents are shared with the map, which lets go of them no earlier than the
/// snapshot.
#[derive(Clone, Default)]
pub struct Snapshot {
    /// No two of one name.
    entries: Vec<(Name, Value)>,
    /// Made when it is first asked.
    index: OnceLock<Index>,
}

/// Where the entries of each name lie.
#[derive(Clone, Default)]
struct Index {
    places: HashTable<usize>,
    state: RandomState,
}

impl Index {
    fn of(entries: &[(Name, Value)]) -> Self {
        let mut index = Self { places: HashTable::with_capacity(entries.len()), ..Self::default() };
        for place in 0..entries.len() {
            index.add(entries, place);
        }
        index
    }

    fn add(&mut self, entries: &[(Name, Value)], place: usize) {
        let hash = |place: &usize| self.state.hash_one(entries[*place].0.as_bytes());
        self.places.insert_unique(hash(&place), place, hash);
    }

    fn find(&self, entries: &[(Name, Value)], key: &str) -> Option<usize> {
        let hash = self.state.hash_one(key.as_bytes());
        self.places.find(hash, |place| entries[*place].0.is(key)).copied()
    }
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

    /// The value that a key had. The first call goes through all entries.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let index = self.index.get_or_init(|| Index::of(&self.entries));
        index.find(&self.entries, key).map(|place| &self.entries[place].1)
    }

    /// The entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.iter()).finish()
    }
}

/// Of a key that comes twice, the last counts.
impl FromIterator<(Arc<str>, Value)> for Snapshot {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Value)>>(pairs: I) -> Self {
        let (mut entries, mut index) = (Vec::new(), Index::default());
        for (key, value) in pairs {
            if let Some(place) = index.find(&entries, &key) {
                entries[place].1 = value;
                continue;
            }
            entries.push((Name::of(&key, Some(&key)), value));
            index.add(&entries, entries.len() - 1);
        }
        Self { entries, index: OnceLock::from(index) }
    }
}

impl<'s> IntoIterator for &'s Snapshot {
    type Item = (Arc<str>, Value);
    type IntoIter = Box<dyn Iterator<Item = Self::Item> + 's>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.entries.iter().map(|(name, value)| (name.shared(), value.clone())))
    }
}

/// The entries of a map, part by part; made by [`SafeMap::iter`].
pub struct Iter<'m> {
    map: &'m Inner,
    next_shard: usize,
    entries: std::vec::IntoIter<(Name, Value)>,
}

impl fmt::Debug for Iter<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Iter").field("map", &self.map.name).finish_non_exhaustive()
    }
}

impl Iterator for Iter<'_> {
    type Item = (Arc<str>, Value);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((name, value)) = self.entries.next() {
                return Some((name.shared(), value));
            }
            self.entries = self.map.store.shard_entries(self.next_shard)?.into_iter();
            self.next_shard += 1;
        }
    }
}

impl SafeMap {
    /// All entries as they are at one moment.
    ///
    /// No writer waits for longer than a few hundred slots of its shard take to be copied, should it
    /// come at that moment. The first change of an entry that has not been copied yet puts its old
    /// state by. One snapshot is taken at a time.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { entries: self.inner.store.snapshot(), index: OnceLock::new() }
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
