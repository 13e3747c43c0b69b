//! Histories of concurrent operations, and whether they can be put in one order.
//!
//! A history is linearizable when its operations can be put in an order that agrees with time, each
//! after all that ended before it began, in which a sequential map returns what they returned.
//! [`is_linearizable`] tries orders depth first and remembers states it has been in (Wing and Gong,
//! 1993, with the memory of Lowe, 2017): exhaustive, and quick for the few operations of a history.

#![expect(unreachable_pub, reason = "a part of several tests")]

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use tophash_safemap::{Conflict, Error, SafeMap, Swap, Value};

/// Keys, few so that threads meet.
pub const KEYS: [&str; 3] = ["a", "b", "c"];

/// What a thread does.
#[derive(Clone, Debug)]
pub enum Op {
    Get(usize),
    Set(usize, i64),
    Remove(usize),
    Inc(usize),
    Swap(usize, Option<i64>, i64),
    /// Doubles by `update`, or starts at one.
    Double(usize),
    Insert(usize, i64),
    /// Moves one from a key to another.
    Transfer(usize, usize),
    /// The sum of all keys, read in a transaction.
    Sum,
    /// Writes all keys, or none when one is there.
    MergeAll(i64),
    Load(usize, i64),
    Snapshot,
}

/// What it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Value(Option<i64>),
    Done(bool),
    All(BTreeMap<usize, i64>),
    /// No answer came: it took effect at some time after it began, or never.
    Unknown,
}

pub type Model = BTreeMap<usize, i64>;

/// One operation, with the times between which it took effect.
#[derive(Clone, Debug)]
pub struct Call {
    pub op: Op,
    pub outcome: Outcome,
    pub began: u64,
    pub ended: u64,
}

/// A map whose histories are checked.
pub trait Subject {
    fn run(&self, op: &Op) -> Outcome;
}

impl Subject for SafeMap {
    fn run(&self, op: &Op) -> Outcome {
        run(self, op).expect("no operation of a history is refused")
    }
}

/// Does an operation, and notes when.
pub fn call(map: &impl Subject, time: &AtomicU64, op: &Op) -> Call {
    let began = time.fetch_add(1, Ordering::SeqCst);
    let outcome = map.run(op);
    let answered = time.fetch_add(1, Ordering::SeqCst);
    let ended = if outcome == Outcome::Unknown { u64::MAX } else { answered };
    Call { op: op.clone(), outcome, began, ended }
}

/// Makes `run`, which does an operation on a map of one kind: its type, that of its errors, the error of
/// a conflict, and how a snapshot is taken.
macro_rules! run_on {
    ($map:ty, $error:ty, $conflict:pat, $snapshot:expr) => {
        fn run(map: &$map, op: &Op) -> Result<Outcome, $error> {
            let key = |index: usize| map.key::<i64>(KEYS[index]);
            Ok(match *op {
                Op::Get(index) => Outcome::Value(map.get(&key(index)?)?),
                Op::Set(index, value) => {
                    map.set(&key(index)?, value)?;
                    Outcome::Done(true)
                }
                Op::Remove(index) => Outcome::Value(map.remove(&key(index)?)?),
                Op::Inc(index) => Outcome::Value(Some(map.inc(&key(index)?, 1)?)),
                Op::Swap(index, expected, new) => {
                    match map.compare_and_swap(&key(index)?, expected, Some(new))? {
                        Swap::Done => Outcome::Done(true),
                        Swap::Differs(current) => Outcome::Value(current),
                    }
                }
                Op::Double(index) => Outcome::Value(
                    map.update(&key(index)?, |old| Some(old.map_or(1, |old| old * 2)))?,
                ),
                Op::Insert(index, value) => {
                    Outcome::Value(Some(map.get_or_insert_with(&key(index)?, || value)?))
                }
                Op::Transfer(from, to) => Outcome::Done(map.transaction(|transaction| {
                    let Some(rest) = transaction.get(&key(from)?)? else { return Ok(false) };
                    transaction.set(&key(from)?, rest - 1)?;
                    let other = transaction.get(&key(to)?)?.unwrap_or(0);
                    transaction.set(&key(to)?, other + 1)?;
                    Ok(true)
                })?),
                Op::Sum => Outcome::Value(Some(map.transaction(|transaction| {
                    let mut sum = 0;
                    for index in 0..KEYS.len() {
                        sum += transaction.get(&key(index)?)?.unwrap_or(0);
                    }
                    Ok(sum)
                })?)),
                Op::MergeAll(value) => {
                    let merged = map.merge(KEYS.map(|key| (key, value)), Conflict::Error);
                    match merged {
                        Ok(_) => Outcome::Done(true),
                        Err($conflict) => Outcome::Done(false),
                        Err(error) => return Err(error),
                    }
                }
                Op::Load(index, value) => {
                    map.load([(KEYS[index], value)])?;
                    Outcome::Done(true)
                }
                Op::Snapshot => {
                    let snapshot = $snapshot(map)?;
                    let number =
                        |value: &Value| value.as_integer().expect("only integers are written");
                    let index =
                        |key: &str| KEYS.iter().position(|known| *known == key).expect("a key");
                    Outcome::All(snapshot.iter().map(|(k, v)| (index(k), number(v))).collect())
                }
            })
        }
    };
}

run_on!(SafeMap, Error, Error::Conflict { .. }, |map: &SafeMap| Ok::<_, Error>(map.snapshot()));

/// What a sequential map does.
pub fn run_model(model: &mut Model, op: &Op) -> Outcome {
    match *op {
        Op::Get(key) => Outcome::Value(model.get(&key).copied()),
        Op::Set(key, value) => {
            model.insert(key, value);
            Outcome::Done(true)
        }
        Op::Remove(key) => Outcome::Value(model.remove(&key)),
        Op::Inc(key) => {
            let value = model.entry(key).or_insert(0);
            *value += 1;
            Outcome::Value(Some(*value))
        }
        Op::Swap(key, expected, new) => {
            let current = model.get(&key).copied();
            if current != expected {
                return Outcome::Value(current);
            }
            model.insert(key, new);
            Outcome::Done(true)
        }
        Op::Double(key) => {
            let new = model.get(&key).map_or(1, |old| old * 2);
            model.insert(key, new);
            Outcome::Value(Some(new))
        }
        Op::Insert(key, value) => Outcome::Value(Some(*model.entry(key).or_insert(value))),
        Op::Transfer(from, to) => {
            let Some(rest) = model.get(&from).copied() else { return Outcome::Done(false) };
            model.insert(from, rest - 1);
            *model.entry(to).or_insert(0) += 1;
            Outcome::Done(true)
        }
        Op::Sum => Outcome::Value(Some(model.values().sum())),
        Op::MergeAll(value) => {
            if model.values().any(|ours| *ours != value) {
                return Outcome::Done(false);
            }
            model.extend((0..KEYS.len()).map(|key| (key, value)));
            Outcome::Done(true)
        }
        Op::Load(key, value) => {
            *model = Model::from([(key, value)]);
            Outcome::Done(true)
        }
        Op::Snapshot => Outcome::All(model.clone()),
    }
}

/// Whether a history of no more than 32 operations has an order, from an empty map.
pub fn is_linearizable(history: &[Call]) -> bool {
    assert!(history.len() <= 32, "too long to try all orders");
    search(history, 0, &Model::new(), &mut HashSet::new())
}

fn search(
    history: &[Call],
    done: u32,
    model: &Model,
    failed: &mut HashSet<(u32, Vec<(usize, i64)>)>,
) -> bool {
    let is_settled = |(index, call): (usize, &Call)| {
        done & (1 << index) != 0 || call.outcome == Outcome::Unknown
    };
    if history.iter().enumerate().all(is_settled) {
        return true;
    }
    let open = || history.iter().enumerate().filter(move |(index, _)| done & (1 << index) == 0);
    // The next in order began before any of those left had ended.
    let first_end = open().map(|(_, call)| call.ended).min().unwrap_or(u64::MAX);
    for (index, call) in open().filter(|(_, call)| call.began < first_end) {
        let mut next = model.clone();
        let outcome = run_model(&mut next, &call.op);
        if call.outcome != outcome && call.outcome != Outcome::Unknown {
            continue;
        }
        let state = (done | 1 << index, next.iter().map(|(k, v)| (*k, *v)).collect());
        if failed.contains(&state) {
            continue;
        }
        if search(history, done | 1 << index, &next, failed) {
            return true;
        }
        failed.insert(state);
    }
    false
}

/// Numbers from a seed.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    /// Any operation.
    pub fn op(&mut self) -> Op {
        let key = self.below(3) as usize;
        let value = self.below(4) as i64;
        match self.below(15) {
            0..=1 => Op::Get(key),
            2..=3 => Op::Set(key, value),
            4 => Op::Remove(key),
            5..=6 => Op::Inc(key),
            7 => Op::Swap(key, (value > 0).then_some(value - 1), value),
            8 => Op::Double(key),
            9 => Op::Insert(key, value),
            10..=11 => Op::Transfer(key, (key + 1 + self.below(2) as usize) % 3),
            12 => Op::Sum,
            13 => match self.below(2) {
                0 => Op::MergeAll(value),
                _ => Op::Load(key, value),
            },
            _ => Op::Snapshot,
        }
    }
}
