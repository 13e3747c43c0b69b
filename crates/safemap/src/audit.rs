//! Audits: the shape of what a map holds, never the contents, taken now and then and put in a row.
//!
//! A record is made from a snapshot, so it is of one moment. It names keys (those that were refused,
//! are oldest, or are read most, a few of each) and counts the rest by the schema's patterns. The last
//! records of a map stay with it, in their shape alone, so that growth is noticed in the process and
//! its metrics, before anybody reads a file.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::entry::Entry;
use crate::growth::{Growth, growths};
use crate::map::SafeMap;
use crate::name::Name;
use crate::value::Kind;

/// How many keys of each sort a record names.
pub(crate) const MOST_NAMED: usize = 5;

/// How many past shapes a map remembers.
const MOST_SHAPES: usize = 16;

/// The shape of a map at one moment.
///
/// ```
/// use tophash_safemap::{SafeMap, Schema, Type};
///
/// let map = SafeMap::new(Schema::builder().key("user.*", Type::string()).build()?);
/// map.set("user.1", "Ada")?;
/// map.set("user.2", "Grace")?;
/// map.get("user.2")?;
/// let _ = map.set("user.3", 7);
/// let record = map.audit();
/// assert_eq!((record.entries, record.patterns[0].never_read), (2, Some(1)));
/// assert_eq!(record.refused[0].key, "user.3");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// With the feature `json`, records are written and read as lines of JSON. Fields may be added.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct AuditRecord {
    /// The map's name.
    pub map: String,
    /// The process.
    pub process: u32,
    /// When, in seconds since 1970.
    pub at: u64,
    /// Entries at that moment.
    pub entries: u64,
    /// Bytes of tables, keys and contents.
    pub bytes: u64,
    /// The most bytes at any audit, and any scrape of metrics, of this process so far.
    pub peak_bytes: u64,
    /// The bound on entries, if there is one.
    pub max_entries: Option<u64>,
    /// The bound on bytes, if there is one.
    pub max_bytes: Option<u64>,
    /// What was done since the map was made.
    pub operations: Operations,
    /// How the entries spread over the patterns of the schema; patterns without any are left out.
    pub patterns: Vec<PatternShape>,
    /// The keys that were refused most.
    pub refused: Vec<RefusedKey>,
    /// The entries that are there longest.
    pub oldest: Vec<AgedKey>,
    /// The entries that were read most.
    pub hottest: Vec<HotKey>,
}

/// Counts of operations since a map was made.
///
/// ```
/// use tophash_safemap::{SafeMap, Schema};
///
/// let map = SafeMap::new(Schema::open());
/// map.set("a", 1)?;
/// assert_eq!(map.operations().writes, 1);
/// # Ok::<(), tophash_safemap::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Operations {
    /// Reads that found an entry.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Entries written, each of a transaction's.
    pub writes: u64,
    /// Entries removed.
    pub removals: u64,
    /// Entries that expired, when they were met.
    pub expirations: u64,
    /// Entries that had to make room.
    pub evictions: u64,
    /// Operations refused.
    pub refusals: u64,
}

/// The entries of one pattern of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PatternShape {
    /// The pattern.
    pub pattern: String,
    /// How many entries it has.
    pub entries: u64,
    /// Bytes of the entries with their keys and contents.
    pub bytes: u64,
    /// How many of them were never read, where reads are counted.
    pub never_read: Option<u64>,
}

/// A key that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RefusedKey {
    /// The key.
    pub key: String,
    /// How often; where many keys were refused, up to that often.
    pub count: u64,
    /// The kind that the schema asks for, if it knows the key.
    pub expected: Option<String>,
    /// How often it was written since it came to be.
    pub written: u64,
    /// The kinds that came and were refused, and how often.
    pub came: Vec<(String, u64)>,
    /// What the last refusal said.
    pub last: String,
}

/// A key and its age.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct AgedKey {
    /// The key.
    pub key: String,
    /// Seconds since it came to be.
    pub seconds: u64,
}

/// A key and how often it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct HotKey {
    /// The key.
    pub key: String,
    /// How often it was read since it came to be.
    pub reads: u64,
}

/// What a map remembers of its audits.
#[derive(Debug, Default)]
pub(crate) struct AuditState {
    inner: Mutex<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    peak_bytes: u64,
    shapes: VecDeque<AuditRecord>,
    growths: Vec<Growth>,
}

impl AuditState {
    /// Notes how large the map is; returns the most so far.
    pub(crate) fn note_bytes(&self, bytes: u64) -> u64 {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.peak_bytes = inner.peak_bytes.max(bytes);
        inner.peak_bytes
    }

    pub(crate) fn note_shape(&self, record: &AuditRecord) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.shapes.len() == MOST_SHAPES {
            inner.shapes.pop_front();
        }
        let (refused, oldest, hottest) = (Vec::new(), Vec::new(), Vec::new());
        inner.shapes.push_back(AuditRecord { refused, oldest, hottest, ..record.clone() });
        let shapes: Vec<&AuditRecord> = inner.shapes.iter().collect();
        inner.growths = growths(&shapes);
    }

    pub(crate) fn growths(&self) -> Vec<Growth> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).growths.clone()
    }
}

impl SafeMap {
    /// Takes the shape of the map. It costs a snapshot, and a look at each entry with no lock held.
    pub fn audit(&self) -> AuditRecord {
        let inner = &self.inner;
        let entries: Vec<Entry> = inner.store.snapshot();
        let age = inner.store.now().saturating_sub(inner.store.started());
        let bytes = inner.store.bytes() as u64;
        let mut shapes = vec![(0, 0, 0); inner.lives.len()];
        for entry in &entries {
            let (count, bytes, never_read) = &mut shapes[usize::from(entry.rule)];
            *count += 1;
            *bytes += entry.bytes() as u64;
            *never_read += u64::from(entry.reads == 0);
        }
        let patterns = shapes.into_iter().enumerate().filter(|(_, (count, ..))| *count > 0).map(
            |(rule, (entries, bytes, never_read))| PatternShape {
                pattern: inner.schema.pattern(rule as u16).as_str().to_owned(),
                entries,
                bytes,
                never_read: Some(never_read),
            },
        );
        let oldest = named(&entries, |entry| (u64::MAX - entry.born(), &entry.name));
        let read = |entry: &&Entry| entry.reads > 0;
        let hottest = named(entries.iter().filter(read), |entry| (entry.reads.into(), &entry.name));
        let record = AuditRecord {
            map: inner.name.as_ref().to_owned(),
            process: std::process::id(),
            at: seconds_since_1970(inner.clock.wall()),
            entries: entries.len() as u64,
            bytes,
            peak_bytes: inner.audit.note_bytes(bytes),
            max_entries: bound(inner.limits.entries),
            max_bytes: bound(inner.limits.bytes),
            operations: self.operations(),
            patterns: patterns.collect(),
            refused: self.refused_keys(),
            oldest: oldest
                .into_iter()
                .map(|(rank, key)| AgedKey {
                    key,
                    seconds: age.saturating_sub(u64::MAX - rank) / 1000,
                })
                .collect(),
            hottest: hottest.into_iter().map(|(reads, key)| HotKey { key, reads }).collect(),
        };
        inner.audit.note_shape(&record);
        record
    }

    /// What was done since the map was made.
    pub fn operations(&self) -> Operations {
        let counts = self.inner.store.counts();
        Operations {
            hits: counts.hits,
            misses: counts.misses,
            writes: counts.writes,
            removals: counts.removals,
            expirations: counts.expirations,
            evictions: counts.evictions,
            refusals: self.inner.refusals.total(),
        }
    }

    /// The patterns whose entries have done nothing but grow over the last audits.
    pub fn growths(&self) -> Vec<Growth> {
        self.inner.audit.growths()
    }

    fn refused_keys(&self) -> Vec<RefusedKey> {
        let worst = self.inner.refusals.worst(MOST_NAMED);
        let refused = worst.into_iter().map(|(key, refused)| RefusedKey {
            count: refused.count(),
            expected: refused.expected.map(|kind| kind.name().to_owned()),
            written: self.inner.store.writes_of(&key).into(),
            came: came(&refused.kinds),
            last: refused.last,
            key: key.as_ref().to_owned(),
        });
        refused.collect()
    }
}

/// The kinds that came, and how often.
pub(crate) fn came(kinds: &[u64; 7]) -> Vec<(String, u64)> {
    let counts = Kind::ALL.into_iter().map(|kind| (kind.name().to_owned(), kinds[kind as usize]));
    counts.filter(|(_, count)| *count > 0).collect()
}

/// The keys of the highest ranks, highest first; in one pass, with memory for a few.
fn named<'e>(
    entries: impl IntoIterator<Item = &'e Entry>,
    rank: impl Fn(&'e Entry) -> (u64, &'e Name),
) -> Vec<(u64, String)> {
    let mut best: Vec<(u64, &str)> = Vec::with_capacity(MOST_NAMED + 1);
    for entry in entries {
        let (rank, name) = rank(entry);
        let key = name.as_str();
        if best.len() == MOST_NAMED
            && best.last().is_some_and(|last| (last.0, key) >= (rank, last.1))
        {
            continue;
        }
        let at = best.partition_point(|other| (other.0, key) > (rank, other.1));
        best.insert(at, (rank, key));
        best.truncate(MOST_NAMED);
    }
    best.into_iter().map(|(rank, key)| (rank, key.to_owned())).collect()
}

fn bound(limit: usize) -> Option<u64> {
    (limit != usize::MAX).then_some(limit as u64)
}

pub(crate) fn seconds_since_1970(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(feature = "json")]
impl AuditRecord {
    /// The record as one line of JSON, with its end.
    pub fn to_line(&self) -> String {
        // Text, numbers and lists of them can always be written.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }

    /// Reads the lines of a file of records. Lines that are none, such as one that a crash cut off,
    /// are counted and left out.
    ///
    /// ```
    /// use tophash_safemap::{AuditRecord, SafeMap, Schema};
    ///
    /// let map = SafeMap::new(Schema::open());
    /// let file = map.audit().to_line() + "{\"map\":\"cut o";
    /// let (records, damaged) = AuditRecord::parse_lines(&file);
    /// assert_eq!((records.len(), damaged), (1, 1));
    /// ```
    pub fn parse_lines(text: &str) -> (Vec<Self>, usize) {
        let mut records = Vec::new();
        let mut damaged = 0;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            match serde_json::from_str(line) {
                Ok(record) => records.push(record),
                Err(_) => damaged += 1,
            }
        }
        (records, damaged)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;
    use crate::map::Swap;
    use crate::rule::Type;
    use crate::schema::Schema;

    #[test]
    fn the_oldest_and_the_most_read_are_named_in_order() {
        let clock = Arc::new(ManualClock::new());
        let map = SafeMap::builder(Schema::open()).clock(clock.clone()).build();
        for number in 0..20 {
            let key = format!("key.{number:02}");
            map.set(&key, number).unwrap();
            for _ in 0..number {
                map.get(&key).unwrap();
            }
            clock.advance(Duration::from_secs(60));
        }
        let record = map.audit();
        let oldest: Vec<_> =
            record.oldest.iter().map(|aged| (aged.key.as_str(), aged.seconds)).collect();
        assert_eq!(oldest[..2], [("key.00", 1200), ("key.01", 1140)]);
        let hottest: Vec<_> =
            record.hottest.iter().map(|hot| (hot.key.as_str(), hot.reads)).collect();
        assert_eq!(hottest[..2], [("key.19", 19), ("key.18", 18)]);
        assert_eq!((oldest.len(), hottest.len()), (MOST_NAMED, MOST_NAMED));
        assert_eq!(record.patterns[0].never_read, Some(1));
    }

    #[test]
    fn a_swap_of_a_text_is_one_read() {
        let map = SafeMap::new(Schema::open());
        map.set("a", "x").unwrap();
        assert_eq!(map.compare_and_swap("a", Some("x".into()), Some("y".into())), Ok(Swap::Done));
        assert_eq!(map.audit().hottest[0].reads, 1);
    }

    #[test]
    fn a_record_holds_no_value() {
        let schema = Schema::builder().key("a", Type::string()).key("b", Type::integer());
        let map = SafeMap::new(schema.build().unwrap());
        map.set("a", "secret").unwrap();
        map.set("b", "secret").unwrap_err();
        assert!(!format!("{:?}", map.audit()).contains("secret"));
    }

    #[cfg(feature = "json")]
    #[test]
    fn a_record_is_read_as_it_was_written() {
        let map = SafeMap::builder(Schema::open()).name("n").max_entries(9).build();
        map.set("a", 1).unwrap();
        map.get("a").unwrap();
        map.set("", 1).unwrap_err();
        let record = map.audit();
        let line = record.to_line();
        assert!(line.ends_with('\n') && line.lines().count() == 1);
        assert_eq!(AuditRecord::parse_lines(&line), (vec![record], 0));
    }
}
