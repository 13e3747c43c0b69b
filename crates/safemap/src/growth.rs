//! Growth that looks like a leak: entries that only become more.
//!
//! A cache that fills up grows, too, and so does a map in its first minutes. What sets a leak apart
//! is that it goes on: at each of several audits there are more entries than before, a good part more
//! in all. How many of them were never read is told with it, since that is what a leak looks like
//! from inside; but entries that are read can leak as well.

use std::collections::BTreeMap;

use crate::audit::AuditRecord;

/// Audits in a row at which entries must have become more.
const LEAST_RISES: usize = 4;

/// What they must have grown by in all, in entries and as a factor.
const LEAST_GROWTH: u64 = 100;
const LEAST_FACTOR: f64 = 1.2;

/// A pattern whose entries only became more.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use tophash_safemap::{ManualClock, SafeMap, Schema, Type};
///
/// let clock = Arc::new(ManualClock::new());
/// let schema = Schema::builder().key("lock.*", Type::boolean()).build()?;
/// let map = SafeMap::builder(schema).clock(clock.clone()).max_entries(10_000).build();
/// for hour in 0..6 {
///     for request in 0..200 {
///         map.set(&format!("lock.{hour}-{request}"), true)?;
///     }
///     map.audit();
///     clock.advance(Duration::from_secs(3600));
/// }
/// let growth = &map.growths()[0];
/// assert_eq!((growth.pattern.as_str(), growth.from, growth.to), ("lock.*", 200, 1200));
/// assert_eq!(growth.seconds_to_bound, Some(44 * 3600));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Growth {
    /// The pattern.
    pub pattern: String,
    /// Entries when it began to rise.
    pub from: u64,
    /// Entries at the last audit.
    pub to: u64,
    /// How many audits in a row had more than the one before.
    pub rises: usize,
    /// The time between the first of them and the last, in seconds.
    pub seconds: u64,
    /// The share of entries that were never read, from 0 to 1, where reads are counted.
    pub never_read: Option<f64>,
    /// When the map's bound on entries is reached if it goes on, in seconds after the last audit.
    pub seconds_to_bound: Option<u64>,
}

/// The patterns that rose at each of the last records, which are of one map, oldest first.
///
/// A pattern that a record names twice, as none of ours does, counts as it is named last.
pub(crate) fn growths(records: &[&AuditRecord]) -> Vec<Growth> {
    let Some(last) = records.last() else { return Vec::new() };
    let counts: Vec<BTreeMap<&str, u64>> = records
        .iter()
        .map(|record| {
            let shapes = record.patterns.iter();
            shapes.map(|shape| (shape.pattern.as_str(), shape.entries)).collect()
        })
        .collect();
    let growth = |shape: &crate::audit::PatternShape| {
        let of = |index: usize| counts[index].get(shape.pattern.as_str()).copied().unwrap_or(0);
        let mut first = records.len() - 1;
        while first > 0 && of(first - 1) < of(first) {
            first -= 1;
        }
        let rises = records.len() - 1 - first;
        let (from, to) = (of(first), of(records.len() - 1));
        let is_growth = rises >= LEAST_RISES
            && to.saturating_sub(from) >= LEAST_GROWTH
            && to as f64 >= from as f64 * LEAST_FACTOR;
        if !is_growth {
            return None;
        }
        let seconds = last.at.saturating_sub(records[first].at);
        let pace = (to - from) as f64 / seconds.max(1) as f64;
        let left = last.max_entries.map(|most| most.saturating_sub(last.entries));
        Some(Growth {
            pattern: shape.pattern.clone(),
            from,
            to,
            rises,
            seconds,
            never_read: shape.never_read.map(|count| count as f64 / shape.entries.max(1) as f64),
            seconds_to_bound: left.map(|left| (left as f64 / pace) as u64),
        })
    };
    last.patterns.iter().filter_map(growth).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::SafeMap;
    use crate::schema::Schema;

    /// The growth after audits at which there were so many entries.
    fn after(counts: &[usize]) -> Vec<Growth> {
        let map = SafeMap::new(Schema::open());
        for count in counts {
            map.load((0..*count).map(|number| (format!("key.{number}"), 1))).unwrap();
            map.audit();
        }
        map.growths()
    }

    #[test]
    fn what_only_rises_is_growth() {
        let growths = after(&[500, 100, 200, 300, 400, 500]);
        assert_eq!((growths[0].from, growths[0].to, growths[0].rises), (100, 500, 4));
        assert_eq!(growths[0].never_read, Some(1.0));
    }

    #[test]
    fn what_fills_up_or_goes_up_and_down_is_none() {
        assert!(after(&[100, 200, 300, 400, 400]).is_empty());
        assert!(after(&[100, 300, 200, 400, 300, 500]).is_empty());
        assert!(after(&[1000, 1001, 1002, 1003, 1150]).is_empty());
        assert!(after(&[1, 2, 3, 4, 5]).is_empty());
        assert!(after(&[]).is_empty());
    }
}
