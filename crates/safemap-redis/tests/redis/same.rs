//! The same operations over memory and Redis: every answer, refusal and content alike.
//!
//! Times are left out, as the server's clock can't be moved; `operations.rs` has them.

use tophash_safemap::{Conflict, Error as Refusal, SafeMap, Schema, Swap, Type, Value};
use tophash_safemap_redis::{Error, OpenMap, SharedMap};

use crate::server::Server;
use crate::support::Random;

const KEYS: [&str; 8] = ["n.a", "n.b", "n.c", "need", "s.a", "s.b", "any.a.b", "nowhere"];

fn schema() -> Schema {
    Schema::builder()
        .key("n.*", Type::integer().range(-50..=50))
        .key("need", Type::integer().required())
        .key("s.*", Type::string().max_size(6))
        .key("any.**", Type::any())
        .build()
        .unwrap()
}

fn value(random: &mut Random) -> Value {
    match random.below(8) {
        0 => "text".into(),
        1 => "far too long".into(),
        2 => 0.5.into(),
        3 => i64::MAX.into(),
        _ => (random.below(120) as i64 - 60).into(),
    }
}

fn pairs(random: &mut Random) -> Vec<(&'static str, Value)> {
    let count = random.below(4);
    (0..count).map(|_| (key(random), value(random))).collect()
}

fn key(random: &mut Random) -> &'static str {
    KEYS[random.below(KEYS.len() as u64) as usize]
}

/// What an operation came to, or why it was refused.
#[derive(Debug, PartialEq)]
enum Answer {
    Nothing,
    Value(Option<Value>),
    Is(bool),
    Sum(i64),
    Swap(Swap<Value>),
    Merged(usize, usize),
    Content(Vec<(String, Value)>),
    Refused(Refusal),
}

/// One operation, drawn the same way for both maps.
fn step(map: &OpenMap, random: &mut Random) -> Result<Answer, Error> {
    let key = key(random);
    Ok(match random.below(13) {
        0 => Answer::Value(map.get(key)?),
        1 => Answer::Is(map.contains(key)?),
        2 | 3 => {
            map.set(key, value(random))?;
            Answer::Nothing
        }
        4 => Answer::Value(map.remove(key)?),
        5 => Answer::Sum(map.inc(key, random.below(60) as i64 - 30)?),
        6 => {
            let of = |random: &mut Random| (random.below(3) > 0).then(|| value(random));
            let (old, new) = (of(random), of(random));
            Answer::Swap(map.compare_and_swap(key, old, new)?)
        }
        7 => {
            // A number grows until it is one too many; text goes.
            let change = |old: Option<Value>| match old {
                Some(Value::Integer(number)) => Some((number / 2 + 20).into()),
                Some(_) => None,
                None => Some("text".into()),
            };
            Answer::Value(map.update(key, change)?)
        }
        8 => Answer::Value(Some(map.get_or_insert_with(key, || value(random))?)),
        9 => {
            let (writes, gives_up) = (pairs(random), random.below(4) == 0);
            let removed = self::key(random);
            Answer::Value(map.transaction(|transaction| {
                let old = transaction.get(key)?;
                for (key, value) in &writes {
                    transaction.set(*key, value.clone())?;
                }
                transaction.remove(removed)?;
                if gives_up { Err(transaction.give_up("the test says so")) } else { Ok(old) }
            })?)
        }
        10 => {
            let theirs = pairs(random);
            let ours = |_: &str, ours: &Value, theirs: &Value| match (ours, theirs) {
                (Value::Integer(ours), Value::Integer(theirs)) => {
                    ours.saturating_add(*theirs).into()
                }
                _ => ours.clone(),
            };
            let conflict = match random.below(4) {
                0 => Conflict::Theirs,
                1 => Conflict::Ours,
                2 => Conflict::Error,
                _ => Conflict::With(&ours),
            };
            let merged = map.merge(theirs, conflict)?;
            Answer::Merged(merged.written, merged.kept)
        }
        11 => {
            map.load([("need", Value::from(1))].into_iter().chain(pairs(random)))?;
            Answer::Nothing
        }
        _ => Answer::Content(content(map)),
    })
}

fn content(map: &OpenMap) -> Vec<(String, Value)> {
    let snapshot = map.snapshot().unwrap();
    let mut all: Vec<_> =
        snapshot.iter().map(|(key, value)| (key.to_owned(), value.clone())).collect();
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    all
}

fn answer(map: &OpenMap, mut random: Random) -> (Answer, Random) {
    let answer = match step(map, &mut random) {
        Ok(answer) => answer,
        Err(Error::Map(refusal)) => Answer::Refused(refusal),
        Err(fault) => panic!("{fault}"),
    };
    (answer, random)
}

fn compare(most: Option<u64>, rounds: u64) {
    let server = Server::start();
    let mut refused = 0;
    for round in 0..rounds {
        let mut memory = SafeMap::builder(schema());
        let mut shared = SharedMap::builder(&server.url(&format!("round-{round}")), schema());
        if let Some(most) = most {
            memory = memory.max_entries(most as usize);
            shared = shared.max_entries(most);
        }
        let (memory, shared) =
            (OpenMap::Memory(memory.build()), OpenMap::Shared(shared.connect().unwrap()));
        let mut random = Random(1000 * most.unwrap_or(0) + round);
        for place in 0..60 {
            let (expected, after) = answer(&memory, Random(random.0));
            let (came, also) = answer(&shared, Random(random.0));
            assert_eq!(came, expected, "round {round}, operation {place}");
            assert_eq!(after.0, also.0, "both have drawn the same");
            assert_eq!(content(&shared), content(&memory), "round {round}, operation {place}");
            refused += u64::from(matches!(expected, Answer::Refused(_)));
            random = after;
        }
        let (ours, theirs) = (memory.operations(), shared.operations());
        assert_eq!(ours.refusals, theirs.refusals);
    }
    assert!(refused > 10 * rounds, "{refused}");
}

#[test]
fn every_answer_and_refusal_is_that_of_a_map_in_memory() {
    compare(None, 60);
}

#[test]
fn a_full_map_is_full_over_both_at_the_same_write() {
    compare(Some(4), 60);
}

#[cfg(feature = "json")]
#[test]
fn documents_are_read_as_by_a_map_in_memory() {
    let server = Server::start();
    let memory = OpenMap::Memory(SafeMap::new(schema()));
    let shared = SharedMap::builder(&server.url("documents"), schema()).connect().unwrap();
    let shared = OpenMap::Shared(shared);
    for text in [
        r#"{"need": 1, "n": {"a": 2.0, "b": -3}, "any": {"a": {"b": [1, "x"]}}}"#,
        r#"{"need": 1, "n": {"a": 51, "b": null}, "s": {"a": 1}, "nowhere": {}}"#,
        r#"{"n.a": 1, "n": {"a": 2}}"#,
        r#"{"s": {"a": "short"}}"#,
        r#"["need"]"#,
        r#"{"need": 2}"#,
    ] {
        let refusal = |map: &OpenMap| match map.load_json(text) {
            Ok(()) => None,
            Err(Error::Map(refusal)) => Some(refusal),
            Err(fault) => panic!("{fault}"),
        };
        assert_eq!(refusal(&shared), refusal(&memory), "{text}");
        assert_eq!(content(&shared), content(&memory), "{text}");
    }
}
