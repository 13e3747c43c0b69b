//! Bounded maps: what a write that is too large costs the others, and who goes when there is no room.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use tophash_safemap::{
    Change, Conflict, Error, Eviction, ManualClock, Notice, SafeMap, Schema, Type, Value,
};

fn bounded_by_entries() -> SafeMap {
    let map = SafeMap::builder(Schema::open())
        .max_entries(10)
        .eviction(Eviction::LeastRecentlyUsed)
        .build();
    for number in 0..10 {
        map.set(&format!("key.{number}"), number).unwrap();
    }
    map
}

#[test]
fn a_load_of_more_entries_than_there_may_be_leaves_the_map_as_it_was() {
    let map = bounded_by_entries();
    let loaded = map.load((0..15).map(|number| (format!("new.{number}"), number)));
    assert!(matches!(loaded, Err(Error::Full { bound: "entries", .. })), "{loaded:?}");
    assert_eq!((map.len(), map.operations().evictions), (10, 0));
}

#[test]
fn a_merge_that_can_not_fit_beside_what_it_overwrites_leaves_the_map_as_it_was() {
    let map = bounded_by_entries();
    let theirs = (0..12).map(|number| (format!("key.{number}"), 100 + number));
    let merged = map.merge(theirs, Conflict::Theirs);
    assert!(matches!(merged, Err(Error::Full { bound: "entries", .. })), "{merged:?}");
    assert_eq!((map.len(), map.operations().evictions), (10, 0));
    assert_eq!(map.get("key.3").unwrap(), Some(Value::from(3)));
    // One that does fit lets go of what has to, and of no more.
    let theirs = (3..12).map(|number| (format!("key.{number}"), 100 + number));
    assert_eq!(map.merge(theirs, Conflict::Theirs).unwrap().written, 9);
    assert!(map.len() >= 9);
}

fn bounded_by_bytes() -> SafeMap {
    let map = SafeMap::builder(Schema::open())
        .max_bytes(100_000)
        .shards(1)
        .eviction(Eviction::LeastRecentlyUsed)
        .build();
    for number in 0..8 {
        map.set(&format!("key.{number}"), "x".repeat(10_000)).unwrap();
    }
    map
}

#[test]
fn a_value_that_can_not_fit_costs_no_other_entry_its_place() {
    let map = bounded_by_bytes();
    let large = || Value::from("x".repeat(105_000));
    let is_full = |result: Result<(), Error>| matches!(result, Err(Error::Full { .. }));
    assert!(is_full(map.set("new", large())));
    assert!(is_full(map.set("key.0", large())), "over another value");
    assert!(is_full(map.update("key.0", |_| Some(large())).map(drop)));
    assert!(is_full(map.load([("key.0", large())])));
    assert!(is_full(map.merge([("key.0", large())], Conflict::Theirs).map(drop)));
    assert!(is_full(map.transaction(|transaction| transaction.set("key.0", large()))));
    // The table itself takes a few hundred bytes, so that these don't fit either.
    assert!(is_full(map.set("new", "x".repeat(99_900))));
    assert!(is_full(map.set("key.0", "x".repeat(99_900))));
    assert!(is_full(map.load([("key.0", "x".repeat(99_900))])));
    assert_eq!((map.len(), map.operations().evictions), (8, 0));
    // What does fit has the others make room.
    map.set("key.0", "x".repeat(90_000)).unwrap();
    assert!(map.len() < 8 && map.bytes() <= 100_000);
}

#[test]
fn lists_count_with_their_bytes_whatever_becomes_of_them() {
    let map = SafeMap::builder(Schema::open()).max_bytes(1 << 20).shards(1).build();
    let list = |items: usize| Value::from(vec![Value::from("abcdefgh"); items]);
    map.set("a", 1).unwrap();
    let before = map.bytes();
    map.set("list", list(1000)).unwrap();
    let with_list = map.bytes();
    assert!(with_list - before >= list(1000).content_bytes());
    map.set("list", list(10)).unwrap();
    assert_eq!(with_list - map.bytes(), list(1000).content_bytes() - list(10).content_bytes());
    map.set("list", 1).unwrap();
    map.set("list", list(1000)).unwrap();
    assert_eq!(map.bytes(), with_list);
    map.load([("list", list(1000)), ("a", Value::from(2))]).unwrap();
    assert_eq!(map.bytes(), with_list);
    map.remove("list").unwrap();
    assert_eq!(map.bytes(), before);
}

#[test]
fn new_entries_find_a_place_beside_such_as_were_read_long_ago() {
    let map = SafeMap::builder(Schema::open())
        .shards(1)
        .max_entries(8)
        .eviction(Eviction::LeastRead)
        .build();
    for number in 0..8 {
        let key = format!("old.{number}");
        map.set(&key, number).unwrap();
        for _ in 0..10 {
            map.get(&key).unwrap();
        }
    }
    let mut found = 0;
    for number in 0..4000 {
        let key = format!("new.{number}");
        map.set(&key, number).unwrap();
        map.set(&format!("other.{number}"), number).unwrap();
        found += usize::from(map.get(&key).unwrap().is_some());
    }
    assert!(found >= 100, "{found} of 4000 were there at their first read");
    let old = map.iter().filter(|(key, _)| key.starts_with("old.")).count();
    assert_eq!(old, 0, "what is read no more goes at last");
}

#[test]
fn what_is_read_often_outlasts_a_scan() {
    let map = SafeMap::builder(Schema::open())
        .shards(1)
        .max_entries(200)
        .eviction(Eviction::LeastRead)
        .build();
    for number in 0..200 {
        map.set(&format!("cold.{number}"), number).unwrap();
    }
    for number in 0..20 {
        map.set(&format!("hot.{number}"), number).unwrap();
        map.get(&format!("hot.{number}")).unwrap();
    }
    for read in 1..20 * 20 {
        map.get(&format!("hot.{}", read % 20)).unwrap();
    }
    for number in 0..1000 {
        map.set(&format!("scanned.{number}"), number).unwrap();
    }
    let hot = map.iter().filter(|(key, _)| key.starts_with("hot.")).count();
    assert_eq!(hot, 20);
    assert_eq!(map.audit().hottest[0].reads, 21, "audits count all reads");
}

#[test]
fn what_a_load_leaves_out_after_its_time_has_expired() {
    let clock = Arc::new(ManualClock::new());
    let schema = Schema::builder()
        .key("short.*", Type::integer().ttl(Duration::from_secs(1)))
        .key("long.*", Type::integer())
        .build()
        .unwrap();
    let map = SafeMap::builder(schema).clock(clock.clone()).shards(1).build();
    map.set("short.1", 1).unwrap();
    map.set("long.1", 1).unwrap();
    clock.advance(Duration::from_secs(1));
    let gone = [Change::Removed, Change::Expired];
    let watch = map.watch("**".parse().unwrap()).changes(gone).start();
    map.load([("long.2", 1)]).unwrap();
    drop(map);
    let mut told: Vec<_> = watch
        .map(|notice| match notice {
            Notice::Event(event) => (event.key.to_string(), event.change),
            other => panic!("{other:?}"),
        })
        .collect();
    told.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [("long.1", Change::Removed), ("short.1", Change::Expired)];
    assert_eq!(told, expected.map(|(key, change)| (key.to_owned(), change)));
}

#[test]
fn an_entry_that_is_only_counted_or_changed_is_not_one_that_is_never_read() {
    let map = SafeMap::new(Schema::open());
    for key in ["set", "counted", "swapped", "updated"] {
        map.set(key, 1).unwrap();
    }
    map.inc("counted", 1).unwrap();
    map.compare_and_swap("swapped", Some(1.into()), Some(2.into())).unwrap();
    map.update("updated", |_| Some(2.into())).unwrap();
    assert_eq!(map.audit().patterns[0].never_read, Some(1));
}

#[test]
fn that_a_merge_looks_at_an_entry_is_no_use_of_it() {
    let map = SafeMap::new(Schema::open());
    map.set("a", 1).unwrap();
    map.merge([("a", 2)], Conflict::Ours).unwrap();
    assert_eq!(map.audit().patterns[0].never_read, Some(1));
}
