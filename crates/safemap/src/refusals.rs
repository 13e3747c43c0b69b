//! Which keys were refused, and as what: the memory behind hints and audits.
//!
//! Bounded whatever comes: when the table is full, a new key takes the place of the one that was
//! refused least, and inherits its count (the space-saving sketch of Metwally, Agrawal and El Abbadi,
//! 2005), so that a key with more than a 64th of all refusals is never missed. What is inherited only
//! decides who stays; told is what was seen of the key itself, which may be less than there was, and
//! never is more.
//!
//! Audits ask for all refusals since the map was made, a breaker's hint for those of late, among which
//! an old offender would be the wrong one to name. Those are counted in two tables, which take turns:
//! together they hold all of the last span of time, and none that is older than two.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;

use crate::error::Error;
use crate::value::Kind;

const MOST_KEYS: usize = 64;

/// Keys are told up to this length.
const LONGEST_TOLD: usize = 256;

#[derive(Debug)]
pub(crate) struct Refusals {
    /// Milliseconds.
    span: u64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ever: Sketch,
    /// Those of the span that runs, and of the one before.
    late: [Sketch; 2],
    /// The number of the span that runs.
    turn: u64,
}

#[derive(Debug, Default)]
struct Sketch {
    keys: HashMap<Arc<str>, Refused>,
    total: u64,
}

/// What was refused of one key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Refused {
    /// How often it was refused at most: what is inherited counts.
    weight: u64,
    /// How much of that is inherited.
    inherited: u64,
    /// By kind of what came, in the order of [`Kind::ALL`].
    pub(crate) kinds: [u64; 7],
    /// What the last refusal said.
    pub(crate) last: String,
    pub(crate) expected: Option<Kind>,
}

/// The probable cause of failures, in words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hint {
    pub(crate) text: String,
    /// The same without counts, each of which would make a label of its own.
    #[cfg_attr(
        not(any(feature = "metrics", test)),
        expect(dead_code, reason = "metrics ask for it")
    )]
    pub(crate) cause: String,
}

impl Refused {
    /// How often it was refused for certain.
    pub(crate) fn count(&self) -> u64 {
        self.weight - self.inherited
    }
}

impl Sketch {
    fn note(&mut self, key: &str, error: &Error, expected: Option<Kind>) {
        self.total += 1;
        let mut inherited = 0;
        if !self.keys.contains_key(key) && self.keys.len() >= MOST_KEYS {
            let least = self.keys.iter().min_by_key(|(_, refused)| refused.weight);
            if let Some(least) = least.map(|(key, _)| Arc::clone(key)) {
                inherited = self.keys.remove(&least).map_or(0, |refused| refused.weight);
            }
        }
        let refused = self.keys.entry(key.into()).or_insert_with(|| Refused {
            weight: inherited,
            inherited,
            ..Refused::default()
        });
        refused.weight += 1;
        refused.expected = expected;
        refused.last = error.to_string();
        if let Error::Refused { mismatch, .. } = error {
            refused.kinds[mismatch.kind as usize] += 1;
        }
    }
}

impl Inner {
    /// Lets the tables take turns up to a moment.
    fn advance(&mut self, turn: u64) {
        if turn > self.turn {
            let before = std::mem::take(&mut self.late[0]);
            self.late[1] = if turn == self.turn + 1 { before } else { Sketch::default() };
            self.turn = turn;
        }
    }
}

impl Refusals {
    /// No refusals yet; `span` is what counts as late.
    pub(crate) fn new(span: Duration) -> Self {
        let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1);
        Self { span, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a refusal at a moment, in milliseconds. `expected` is the kind that the schema asks for,
    /// where it knows the key.
    pub(crate) fn note(&self, key: &str, error: &Error, expected: Option<Kind>, now: u64) {
        let key = &key[..key.floor_char_boundary(LONGEST_TOLD)];
        let mut inner = self.lock();
        inner.advance(now / self.span);
        inner.ever.note(key, error, expected);
        inner.late[0].note(key, error, expected);
    }

    pub(crate) fn total(&self) -> u64 {
        self.lock().ever.total
    }

    /// The keys that were refused most, first.
    pub(crate) fn worst(&self, most: usize) -> Vec<(Arc<str>, Refused)> {
        let inner = self.lock();
        let keys = inner.ever.keys.iter();
        let mut keys: Vec<_> =
            keys.map(|(key, refused)| (Arc::clone(key), refused.clone())).collect();
        drop(inner);
        keys.sort_by(|(a_key, a), (b_key, b)| b.count().cmp(&a.count()).then(a_key.cmp(b_key)));
        keys.truncate(most);
        keys
    }

    /// The key that was refused most of late.
    fn worst_of_late(&self, now: u64) -> Option<(Arc<str>, Refused)> {
        let mut inner = self.lock();
        inner.advance(now / self.span);
        let [late, before] = &inner.late;
        let mut keys = late.keys.clone();
        for (key, earlier) in &before.keys {
            match keys.get_mut(key) {
                Some(refused) => {
                    refused.weight += earlier.weight;
                    refused.inherited += earlier.inherited;
                    for (count, more) in refused.kinds.iter_mut().zip(earlier.kinds) {
                        *count += more;
                    }
                }
                None => _ = keys.insert(Arc::clone(key), earlier.clone()),
            }
        }
        drop(inner);
        keys.into_iter()
            .max_by(|(a_key, a), (b_key, b)| a.count().cmp(&b.count()).then(b_key.cmp(a_key)))
    }

    /// The probable cause of the refusals of late, in words. `writes` tells how often a key was
    /// written, where that is known.
    pub(crate) fn hint(&self, now: u64, writes: Option<&dyn Fn(&str) -> u32>) -> Hint {
        let Some((key, refused)) = self.worst_of_late(now) else {
            let text = "no refusals are known".to_owned();
            return Hint { cause: text.clone(), text };
        };
        let foreign = Kind::ALL
            .into_iter()
            .filter(|kind| Some(*kind) != refused.expected)
            .map(|kind| (refused.kinds[kind as usize], kind))
            .max_by_key(|(count, _)| *count)
            .filter(|(count, _)| *count > 0);
        let written = writes.map(|writes| u64::from(writes(&key)));
        let say = |is_counted: bool| {
            let times = |count| if is_counted { times(count) } else { String::new() };
            match (foreign, refused.expected) {
                (Some((count, came)), Some(expected)) => {
                    let written = written
                        .map(|count| format!("was written{} as {expected} and ", times(count)));
                    format!(
                        "{key:?} {}came{} as {came}: writers disagree about its type; let all \
                         write {expected}, or change the schema",
                        written.unwrap_or_default(),
                        times(count),
                    )
                }
                _ => format!("{key:?} was refused{}: {}", times(refused.count()), refused.last),
            }
        };
        Hint { text: say(true), cause: say(false) }
    }
}

/// How often, as it follows a word.
fn times(count: u64) -> String {
    if count == 1 { " once".to_owned() } else { format!(" {count} times") }
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
        let refusals = Refusals::new(Duration::from_secs(5));
        for _ in 0..388 {
            let error = mismatch("config.version", "1.2");
            refusals.note("config.version", &error, Some(Kind::Integer), 0);
        }
        refusals.note("other", &mismatch("other", 1.5), Some(Kind::Integer), 0);
        let hint = refusals.hint(0, Some(&|_| 412));
        assert_eq!(
            hint.text,
            "\"config.version\" was written 412 times as integer and came 388 times as string: \
             writers disagree about its type; let all write integer, or change the schema"
        );
        assert_eq!(
            hint.cause,
            "\"config.version\" was written as integer and came as string: writers disagree about \
             its type; let all write integer, or change the schema"
        );
    }

    #[test]
    fn a_cause_leaves_out_counts_and_no_word_of_a_key() {
        let refusals = Refusals::new(Duration::from_secs(5));
        let key = "try once 7 times";
        refusals.note(key, &mismatch(key, "x"), None, 0);
        let hint = refusals.hint(0, None);
        assert!(hint.text.starts_with("\"try once 7 times\" was refused once: "), "{hint:?}");
        assert!(hint.cause.starts_with("\"try once 7 times\" was refused: "), "{hint:?}");
    }

    #[test]
    fn the_hint_is_of_late_whatever_was_refused_before() {
        let refusals = Refusals::new(Duration::from_secs(5));
        for at in 0..1000 {
            refusals.note("old", &mismatch("old", "x"), Some(Kind::Integer), at);
        }
        for at in [9_900, 10_100] {
            refusals.note("new", &mismatch("new", "x"), Some(Kind::Integer), at);
        }
        assert!(refusals.hint(10_200, None).text.starts_with("\"new\" came 2 times as string"));
        assert_eq!(refusals.hint(60_000, None).text, "no refusals are known");
        assert_eq!(&*refusals.worst(1)[0].0, "old");
    }

    #[test]
    fn a_key_that_was_refused_once_is_told_to_be_refused_once() {
        let refusals = Refusals::new(Duration::from_secs(5));
        for round in 0..10_000 {
            let key = format!("key {round}");
            refusals.note(&key, &mismatch(&key, "x"), None, 0);
        }
        assert!(refusals.worst(MOST_KEYS).iter().all(|(_, refused)| refused.count() == 1));
        assert!(refusals.hint(0, None).text.contains(" was refused once: "));
    }

    #[test]
    fn memory_is_bounded_and_the_heaviest_is_kept() {
        let refusals = Refusals::new(Duration::from_secs(5));
        for round in 0..10_000 {
            let key = if round % 10 == 0 { "heavy".to_owned() } else { format!("key {round}") };
            refusals.note(&key, &mismatch(&key, "x"), Some(Kind::Integer), round);
        }
        assert_eq!(refusals.lock().ever.keys.len(), MOST_KEYS);
        assert!(refusals.worst(3).iter().any(|(key, _)| &**key == "heavy"));
        refusals.note(&"é".repeat(1000), &mismatch("", "x"), None, 0);
        assert_eq!(refusals.total(), 10_001);
    }
}
