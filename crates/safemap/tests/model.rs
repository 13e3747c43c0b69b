//! Random operations on a map and on a plain model of it, with a clock that the test moves.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tophash_safemap::{Conflict, Error, Eviction, ManualClock, SafeMap, Schema, Swap, Type, Value};

/// A key, its time to live and its idle time in seconds, and whether it is required; in the order in
/// which a merge goes through them.
const RULES: [(&str, Option<u64>, Option<u64>, bool); 8] = [
    ("both.a", Some(5), Some(2), false),
    ("idle.a", None, Some(2), false),
    ("idle.b", None, Some(2), false),
    ("need", None, None, true),
    ("plain.a", None, None, false),
    ("plain.b", None, None, false),
    ("short.a", Some(3), None, false),
    ("short.b", Some(3), None, false),
];

fn schema() -> Schema {
    let number = || Type::integer().range(-50..=50);
    let seconds = Duration::from_secs;
    Schema::builder()
        .key("plain.*", number())
        .key("short.*", number().ttl(seconds(3)))
        .key("idle.*", number().idle(seconds(2)))
        .key("both.*", number().ttl(seconds(5)).idle(seconds(2)))
        .key("need", number().required())
        .build()
        .unwrap()
}

#[derive(Clone, Debug)]
enum Op {
    Get(usize),
    Contains(usize),
    Set(usize, i64),
    SetWrong(usize),
    SetUnknown,
    Remove(usize),
    Inc(usize, i64),
    Swap(usize, Option<i64>, Option<i64>),
    Update(usize, i64),
    Insert(usize, i64),
    /// Writes some, removes others, and then perhaps gives up.
    Transaction(Vec<(usize, Option<i64>)>, bool),
    Merge(Vec<(usize, i64)>, u8),
    Load(Vec<(usize, i64)>),
    Advance(u64),
    Sweep,
    Snapshot,
    Shrink,
}

fn ops() -> impl Strategy<Value = Op> {
    let key = 0..RULES.len();
    let value = -60_i64..60;
    let maybe = prop::option::weighted(0.7, -3_i64..3);
    let pairs = || prop::collection::vec((0..RULES.len(), -60_i64..60), 0..5);
    let changes = prop::collection::vec((0..RULES.len(), prop::option::of(-60_i64..60)), 0..5);
    prop_oneof![
        4 => key.clone().prop_map(Op::Get),
        1 => key.clone().prop_map(Op::Contains),
        6 => (key.clone(), value.clone()).prop_map(|(key, value)| Op::Set(key, value)),
        1 => key.clone().prop_map(Op::SetWrong),
        1 => Just(Op::SetUnknown),
        2 => key.clone().prop_map(Op::Remove),
        3 => (key.clone(), -30_i64..30).prop_map(|(key, by)| Op::Inc(key, by)),
        2 => (key.clone(), maybe.clone(), maybe).prop_map(|(key, old, new)| Op::Swap(key, old, new)),
        2 => (key.clone(), -10_i64..10).prop_map(|(key, by)| Op::Update(key, by)),
        2 => (key, value).prop_map(|(key, value)| Op::Insert(key, value)),
        2 => (changes, any::<bool>()).prop_map(|(changes, ends)| Op::Transaction(changes, ends)),
        2 => (pairs(), 0_u8..4).prop_map(|(pairs, rule)| Op::Merge(pairs, rule)),
        1 => pairs().prop_map(Op::Load),
        4 => (0_u64..4).prop_map(Op::Advance),
        1 => Just(Op::Sweep),
        1 => Just(Op::Snapshot),
        1 => Just(Op::Shrink),
    ]
}

#[derive(Clone, Debug, PartialEq)]
struct Held {
    value: i64,
    written: u64,
    used: u64,
    /// The order of uses, for eviction.
    turn: u64,
    reads: u64,
}

#[derive(Clone, Debug, Default)]
struct Model {
    now: u64,
    turn: u64,
    held: BTreeMap<usize, Held>,
    most: Option<usize>,
    least_read: bool,
}

impl Model {
    /// What is there, once what has expired is gone.
    fn live(&mut self) -> &mut BTreeMap<usize, Held> {
        let now = self.now;
        self.held.retain(|key, held| {
            let (_, ttl, idle, _) = RULES[*key];
            ttl.is_none_or(|ttl| now < held.written + ttl)
                && idle.is_none_or(|idle| now < held.used + idle)
        });
        &mut self.held
    }

    fn peek(&mut self, key: usize) -> Option<i64> {
        self.live().get(&key).map(|held| held.value)
    }

    fn get(&mut self, key: usize) -> Option<i64> {
        self.turn += 1;
        let (now, turn) = (self.now, self.turn);
        let held = self.live().get_mut(&key)?;
        (held.used, held.turn) = (now, turn);
        held.reads += 1;
        Some(held.value)
    }

    fn put(&mut self, key: usize, value: i64) {
        self.turn += 1;
        let (now, turn, most) = (self.now, self.turn, self.most);
        let least_read = self.least_read;
        let live = self.live();
        if let Some(held) = live.get_mut(&key) {
            (held.value, held.written, held.used, held.turn) = (value, now, now, turn);
            return;
        }
        if most.is_some_and(|most| live.len() >= most) {
            let free = live.iter().filter(|(key, _)| !RULES[**key].3);
            let rank = |held: &Held| (if least_read { held.reads } else { 0 }, held.turn);
            let victim = free.min_by_key(|(_, held)| rank(held)).map(|(key, _)| *key);
            live.remove(&victim.expect("more than the required entries fit"));
        }
        live.insert(key, Held { value, written: now, used: now, turn, reads: 0 });
    }
}

fn fits(value: i64) -> bool {
    (-50..=50).contains(&value)
}

fn name(key: usize) -> &'static str {
    RULES[key].0
}

fn number(value: Option<Value>) -> Option<i64> {
    value.map(|value| value.as_integer().unwrap())
}

fn is_refused<R>(result: &Result<R, Error>) -> bool {
    matches!(result, Err(Error::Refused { .. }))
}

fn step(map: &SafeMap, clock: &ManualClock, model: &mut Model, op: &Op) {
    match op.clone() {
        Op::Get(key) => assert_eq!(number(map.get(name(key)).unwrap()), model.get(key)),
        Op::Contains(key) => {
            assert_eq!(map.contains(name(key)).unwrap(), model.peek(key).is_some());
        }
        Op::Set(key, value) => {
            let set = map.set(name(key), value);
            if fits(value) {
                set.unwrap();
                model.put(key, value);
            } else {
                assert!(is_refused(&set));
            }
        }
        Op::SetWrong(key) => assert!(is_refused(&map.set(name(key), "text"))),
        Op::SetUnknown => {
            assert!(matches!(map.set("plain.a.b", 1), Err(Error::UnknownKey { .. })));
        }
        Op::Remove(key) => {
            let removed = map.remove(name(key));
            if RULES[key].3 {
                assert!(matches!(removed, Err(Error::Required { .. })));
            } else {
                assert_eq!(number(removed.unwrap()), model.peek(key));
                model.held.remove(&key);
            }
        }
        Op::Inc(key, by) => {
            let sum = model.peek(key).unwrap_or(0) + by;
            let result = map.inc(name(key), by);
            if fits(sum) {
                assert_eq!(result.unwrap(), sum);
                model.put(key, sum);
            } else {
                assert!(is_refused(&result));
            }
        }
        Op::Swap(key, old, new) => {
            let result =
                map.compare_and_swap(name(key), old.map(Value::from), new.map(Value::from));
            if new.is_none() && RULES[key].3 {
                assert!(matches!(result, Err(Error::Required { .. })));
            } else if model.peek(key) == old {
                assert_eq!(result.unwrap(), Swap::Done);
                match new {
                    Some(new) => model.put(key, new),
                    None => drop(model.held.remove(&key)),
                }
            } else {
                assert_eq!(result.unwrap(), Swap::Differs(model.peek(key).map(Value::from)));
            }
        }
        Op::Update(key, by) => {
            // An entry that would be zero goes.
            let change = |old: Option<i64>| Some(old.unwrap_or(0) + by).filter(|new| *new != 0);
            let result =
                map.update(name(key), |old| change(number(old)).map(Value::from)).map(number);
            match change(model.peek(key)) {
                Some(new) if fits(new) => {
                    assert_eq!(result.unwrap(), Some(new));
                    model.put(key, new);
                }
                Some(_) => assert!(is_refused(&result)),
                None if RULES[key].3 => assert!(matches!(result, Err(Error::Required { .. }))),
                None => {
                    assert_eq!(result.unwrap(), None);
                    model.held.remove(&key);
                }
            }
        }
        Op::Insert(key, value) => {
            let result = map.get_or_insert_with(name(key), || value.into());
            match model.get(key) {
                Some(held) => assert_eq!(result.unwrap(), Value::from(held)),
                None if fits(value) => {
                    assert_eq!(result.unwrap(), Value::from(value));
                    model.put(key, value);
                }
                None => assert!(is_refused(&result)),
            }
        }
        Op::Transaction(changes, ends) => transact(map, model, &changes, ends),
        Op::Merge(pairs, rule) => merge(map, model, &pairs, rule),
        Op::Load(pairs) => {
            let last: BTreeMap<usize, i64> = pairs.iter().copied().collect();
            let required = (0..RULES.len()).filter(|key| RULES[*key].3);
            let missing = required.filter(|key| !last.contains_key(key)).count();
            let wrong = last.values().filter(|value| !fits(**value)).count();
            match map.load(pairs.iter().map(|(key, value)| (name(*key), *value))) {
                Ok(()) => {
                    assert_eq!(missing + wrong, 0);
                    model.held.retain(|key, _| last.contains_key(key));
                    last.into_iter().for_each(|(key, value)| model.put(key, value));
                }
                Err(Error::Invalid { faults }) => assert_eq!(faults.len(), missing + wrong),
                Err(other) => panic!("{other}"),
            }
        }
        Op::Advance(seconds) => {
            clock.advance(Duration::from_secs(seconds));
            model.now += seconds;
        }
        Op::Sweep => {
            map.sweep();
            assert_eq!(map.len(), model.live().len());
        }
        Op::Snapshot => {
            let snapshot = map.snapshot();
            let live = model.live();
            assert_eq!(snapshot.len(), live.len());
            for (key, held) in live {
                assert_eq!(snapshot.get(name(*key)), Some(&Value::from(held.value)));
            }
            assert_eq!(map.iter().count(), snapshot.len());
        }
        Op::Shrink => map.shrink_to_fit(),
    }
}

fn transact(map: &SafeMap, model: &mut Model, changes: &[(usize, Option<i64>)], ends: bool) {
    let result = map.transaction(|transaction| {
        for (key, change) in changes {
            match change {
                Some(by) => {
                    let old = number(transaction.get(name(*key))?).unwrap_or(0);
                    transaction.set(name(*key), old + by)?;
                }
                None => transaction.remove(name(*key))?,
            }
        }
        if ends { Ok(()) } else { Err(transaction.give_up("the test says so")) }
    });
    // The same on a copy, which takes the place of the model if all went well.
    let mut after = model.clone();
    let mut is_wrong = false;
    let (mut read, mut seen) = (Vec::new(), BTreeSet::new());
    for (key, change) in changes {
        // A key that was written before is not read from the map again.
        if seen.insert(key) && change.is_some() {
            read.push(*key);
        }
        match change {
            Some(by) => {
                let sum = after.peek(*key).unwrap_or(0) + by;
                is_wrong |= !fits(sum);
                after.put(*key, sum);
            }
            None => {
                is_wrong |= RULES[*key].3;
                after.held.remove(key);
            }
        }
        if is_wrong {
            break;
        }
    }
    if is_wrong || !ends {
        assert_eq!(matches!(result, Err(Error::GivenUp { .. })), !is_wrong);
        assert!(result.is_err());
        // What was read was used, for all that.
        for key in read {
            model.get(key);
        }
    } else {
        result.unwrap();
        *model = after;
    }
}

fn merge(map: &SafeMap, model: &mut Model, pairs: &[(usize, i64)], rule: u8) {
    let theirs: BTreeMap<usize, i64> = pairs.iter().copied().collect();
    let add = |_: &str, ours: &Value, theirs: &Value| {
        Value::from(ours.as_integer().unwrap() + theirs.as_integer().unwrap())
    };
    let conflict = match rule {
        0 => Conflict::Theirs,
        1 => Conflict::Ours,
        2 => Conflict::Error,
        _ => Conflict::With(&add),
    };
    let result = map.merge(pairs.iter().map(|(key, value)| (name(*key), *value)), conflict);
    if theirs.values().any(|value| !fits(*value)) {
        assert!(matches!(result, Err(Error::Invalid { .. })));
        return;
    }
    let mut after = model.clone();
    let mut refused_at = None;
    for (key, value) in &theirs {
        if rule == 0 {
            after.put(*key, *value);
            continue;
        }
        // That it is compared is no use of it.
        match after.peek(*key) {
            None => after.put(*key, *value),
            Some(ours) if ours == *value => {}
            Some(_) if rule == 1 => {}
            Some(_) if rule == 2 => {
                refused_at = Some(name(*key));
                break;
            }
            Some(ours) => {
                if !fits(ours + value) {
                    assert!(is_refused(&result));
                    return;
                }
                if *value != 0 {
                    after.put(*key, ours + value);
                }
            }
        }
    }
    if let Some(first) = refused_at {
        let Err(Error::Conflict { key }) = result else { panic!("{result:?}") };
        assert_eq!(&*key, first);
    } else {
        result.unwrap();
        *model = after;
    }
}

#[test]
fn writes_that_free_more_than_they_take_can_be_one_write() {
    let map = SafeMap::builder(Schema::open()).shards(1).max_bytes(1 << 20).build();
    let all = |text: &str| ["a", "b", "c"].map(|key| (key, text.to_owned()));
    map.load(all("")).unwrap();
    let bytes = map.bytes();
    map.load(all("a longer text")).unwrap();
    map.merge(all(""), Conflict::Theirs).unwrap();
    assert_eq!(map.bytes(), bytes);
    map.load(all("a longer text")).unwrap();
    map.load(all("")).unwrap();
    assert_eq!(map.bytes(), bytes);
}

/// Uses after which the first entries' reads count half: which of them, the model can't know.
const BEFORE_READS_COUNT_LESS: u64 = 7;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_map_does_what_the_model_does(
        shards in 1_usize..9,
        ops in prop::collection::vec(ops(), 1..80),
    ) {
        let clock = Arc::new(ManualClock::new());
        let map = SafeMap::builder(schema()).clock(clock.clone()).shards(shards).build();
        let mut model = Model::default();
        for op in &ops {
            step(&map, &clock, &mut model, op);
        }
        step(&map, &clock, &mut model, &Op::Snapshot);
    }

    #[test]
    fn what_goes_is_what_the_policy_says(
        most in 2_usize..7,
        least_read in any::<bool>(),
        ops in prop::collection::vec(ops(), 1..80),
    ) {
        let clock = Arc::new(ManualClock::new());
        let policy =
            if least_read { Eviction::LeastRead } else { Eviction::LeastRecentlyUsed };
        let map = SafeMap::builder(schema())
            .clock(clock.clone())
            .shards(1)
            .max_entries(most)
            .eviction(policy)
            .build();
        let mut model = Model { most: Some(most), least_read, ..Model::default() };
        for op in &ops {
            if least_read && model.turn >= BEFORE_READS_COUNT_LESS {
                break;
            }
            // What is written as one has to fit as one, and makes room in no order.
            if !matches!(op, Op::Transaction(..) | Op::Merge(..) | Op::Load(_)) {
                step(&map, &clock, &mut model, op);
                prop_assert!(map.len() <= most);
            }
        }
        step(&map, &clock, &mut model, &Op::Snapshot);
    }

    #[test]
    fn a_full_map_refuses_and_stays_as_it_was(
        most in 1_usize..7,
        ops in prop::collection::vec(ops(), 1..80),
    ) {
        let clock = Arc::new(ManualClock::new());
        let map = SafeMap::builder(schema()).clock(clock.clone()).max_entries(most).build();
        for op in &ops {
            let before = map.snapshot();
            let result = match op {
                Op::Set(key, value) => map.set(name(*key), *value),
                Op::Merge(pairs, _) => {
                    let pairs = pairs.iter().map(|(key, value)| (name(*key), *value));
                    map.merge(pairs, Conflict::Theirs).map(drop)
                }
                Op::Load(pairs) => map.load(pairs.iter().map(|(key, value)| (name(*key), *value))),
                Op::Advance(seconds) => {
                    clock.advance(Duration::from_secs(*seconds));
                    continue;
                }
                _ => continue,
            };
            prop_assert!(map.len() <= most);
            if result.is_err() {
                let after = map.snapshot();
                prop_assert_eq!(before.len(), after.len());
                prop_assert!(before.iter().all(|(key, value)| after.get(key) == Some(value)));
            }
            if let Err(Error::Full { .. }) = result {
                // It would not have fitted: what is there and what came are more than the bound.
                let came = match op {
                    Op::Merge(pairs, _) | Op::Load(pairs) => {
                        pairs.iter().map(|(key, _)| name(*key)).collect()
                    }
                    Op::Set(key, _) => vec![name(*key)],
                    _ => Vec::new(),
                };
                let kept = if matches!(op, Op::Load(_)) { None } else { Some(&before) };
                let mut all: Vec<&str> =
                    kept.into_iter().flat_map(|kept| kept.iter().map(|(key, _)| key)).collect();
                all.extend(came);
                all.sort_unstable();
                all.dedup();
                prop_assert!(all.len() > most, "{:?} in {}", all, most);
            }
        }
    }
}
