//! How large a map may be, and what goes when it is full.

use std::sync::Arc;

use crate::error::Error;

/// What goes when a bound would be passed.
///
/// ```
/// use tophash_safemap::{Error, Eviction, SafeMap, Schema};
///
/// let full = SafeMap::builder(Schema::open()).max_entries(1).build();
/// full.set("a", 1)?;
/// let refused = full.set("b", 2).unwrap_err();
/// assert_eq!(refused.to_string(), "no room for \"b\": the map takes no more than 1 entries");
///
/// let cache = SafeMap::builder(Schema::open())
///     .max_entries(1)
///     .eviction(Eviction::LeastRecentlyUsed)
///     .build();
/// cache.set("a", 1)?;
/// cache.set("b", 2)?;
/// assert_eq!(cache.get("a")?, None);
/// # Ok::<(), Error>(())
/// ```
///
/// Victims are the best of sixteen neighbours at a random place, so that no list of all entries has
/// to be kept in order: exact in a map with one shard and no more entries than that, near to it in
/// any other. Required entries never go, and expired ones go first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Eviction {
    /// Nothing goes; the write is refused. What a map of state needs.
    #[default]
    Refuse,
    /// The entry that was neither read nor written for longest. What most caches need.
    LeastRecentlyUsed,
    /// The entry that was read least of late; of several, the one used longest ago. For caches that
    /// are scanned now and then.
    ///
    /// Reads count half after about eight accesses for each entry of the cache, so that what was read
    /// long ago does not keep out what is new for good. Until then it does: a new entry that is not
    /// read before the next ones come is the first to go.
    LeastRead,
}

/// The bounds of a map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
    pub(crate) eviction: Eviction,
}

impl Limits {
    pub(crate) fn are_set(&self) -> bool {
        self.entries != usize::MAX || self.bytes != usize::MAX
    }

    /// The error of a write that would pass a bound.
    pub(crate) fn refuse(&self, key: Arc<str>, bound: &'static str) -> Error {
        let most = if bound == "entries" { self.entries } else { self.bytes };
        Error::Full { key, bound, most: Some(most as u64) }
    }
}
