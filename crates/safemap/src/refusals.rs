//! Which keys were refused, and as what: the memory behind hints and audits.
//!
//! Bounded whatever comes: when the table is full, a new key takes the place of the one that was
//! refused least, and inherits its count (the space-saving sketch of Metwally, Agrawal and El Abbadi,
//! 2005), so that a key with more than a 64th of all refusals is never missed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;

use crate::error::Error;
use crate::value::Kind;

const MOST_KEYS: usize = 64;

/// Keys are told up to this length.
const LONGEST_TOLD: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Refusals {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    keys: HashMap<Arc<str>, Refused>,
    total: u64,
}

/// What was refused of one key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Refused {
    pub(crate) count: u64,
    /// By kind of what came, in the order of [`Kind::ALL`].
    pub(crate) kinds: [u64; 7],
    /// What the last refusal said.
    pub(crate) last: String,
    pub(crate) expected: Option<Kind>,
}

impl Refusals {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a refusal. `expected` is the kind that the schema asks for, where it knows the key.
    pub(crate) fn note(&self, key: &str, error: &Error, expected: Option<Kind>) {
        if key.len() > LONGEST_TOLD {
            let cut = key.floor_char_boundary(LONGEST_TOLD);
            return self.note(&key[..cut], error, expected);
        }
        let mut inner = self.lock();
        inner.total += 1;
        let mut inherited = 0;
        if !inner.keys.contains_key(key) && inner.keys.len() >= MOST_KEYS {
            let least = inner.keys.iter().min_by_key(|(_, refused)| refused.count);
            if let Some(least) = least.map(|(key, _)| Arc::clone(key)) {
                inherited = inner.keys.remove(&least).map_or(0, |refused| refused.count);
            }
        }
        let refused = inner
            .keys
            .entry(key.into())
            .or_insert_with(|| Refused { count: inherited, ..Refused::default() });
        refused.count += 1;
        refused.expected = expected;
        refused.last = error.to_string();
        if let Error::Refused { mismatch, .. } = error {
            refused.kinds[mismatch.kind as usize] += 1;
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.lock().total
    }

    /// The keys that were refused most, first.
    pub(crate) fn worst(&self, most: usize) -> Vec<(Arc<str>, Refused)> {
        let inner = self.lock();
        let mut keys: Vec<_> =
            inner.keys.iter().map(|(key, refused)| (Arc::clone(key), refused.clone())).collect();
        drop(inner);
        keys.sort_by(|(a_key, a), (b_key, b)| b.count.cmp(&a.count).then(a_key.cmp(b_key)));
        keys.truncate(most);
        keys
    }

    /// The probable cause of the refusals, in words. `writes` tells how often a key was written, where
    /// that is known.
    pub(crate) fn hint(&self, writes: Option<&dyn Fn(&str) -> u32>) -> String {
        let worst = self.worst(1);
        let Some((key, refused)) = worst.first() else {
            return "no refusals are known".to_owned();
        };
        let foreign = Kind::ALL
            .into_iter()
            .filter(|kind| Some(*kind) != refused.expected)
            .map(|kind| (refused.kinds[kind as usize], kind))
            .max_by_key(|(count, _)| *count)
            .filter(|(count, _)| *count > 0);
        match (foreign, refused.expected) {
            (Some((count, came)), Some(expected)) => {
                let written = writes.map(|writes| {
                    format!("was written {} as {expected} and ", times(writes(key).into()))
                });
                format!(
                    "{key:?} {}came {} as {came}: writers disagree about its type; let all write \
                     {expected}, or change the schema",
                    written.unwrap_or_default(),
                    times(count),
                )
            }
            _ => format!("{key:?} was refused {}: {}", times(refused.count), refused.last),
        }
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Type;
    use crate::value::Value;

    fn mismatch(key: &str, value: impl Into<Value>) -> Error {
        let mismatch = Type::integer().check(&value.into()).unwrap_err();
        Error::Refused { key: key.into(), mismatch: Box::new(mismatch) }
    }

    #[test]
    fn the_hint_names_the_kinds_that_disagree() {
        let refusals = Refusals::default();
        for _ in 0..388 {
            let error = mismatch("config.version", "1.2");
            refusals.note("config.version", &error, Some(Kind::Integer));
        }
        refusals.note("other", &mismatch("other", 1.5), Some(Kind::Integer));
        assert_eq!(
            refusals.hint(Some(&|_| 412)),
            "\"config.version\" was written 412 times as integer and came 388 times as string: \
             writers disagree about its type; let all write integer, or change the schema"
        );
    }

    #[test]
    fn memory_is_bounded_and_the_heaviest_is_kept() {
        let refusals = Refusals::default();
        for round in 0..10_000 {
            let key = if round % 10 == 0 { "heavy".to_owned() } else { format!("key {round}") };
            refusals.note(&key, &mismatch(&key, "x"), Some(Kind::Integer));
        }
        assert_eq!(refusals.lock().keys.len(), MOST_KEYS);
        assert!(refusals.worst(3).iter().any(|(key, _)| &**key == "heavy"));
        refusals.note(&"é".repeat(1000), &mismatch("", "x"), None);
        assert_eq!(refusals.total(), 10_001);
    }
}
