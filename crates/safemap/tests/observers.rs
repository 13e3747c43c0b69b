//! Observers and what they cost others: who is held up by them, and who is not.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use tophash_safemap::{
    Change, Clock, Conflict, Error, Notice, Overflow, SafeMap, Schema, Swap, Value,
};

fn full_of_removals(map: &SafeMap) -> tophash_safemap::Watch {
    let watch = map
        .watch("session.*".parse().unwrap())
        .changes([Change::Removed])
        .capacity(1)
        .overflow(Overflow::Wait(Duration::ZERO))
        .start();
    map.set("session.1", 1).unwrap();
    map.remove("session.1").unwrap();
    watch
}

#[test]
fn an_observer_holds_up_only_the_changes_that_it_is_told_of() {
    let map = SafeMap::new(Schema::open());
    let _watch = full_of_removals(&map);
    map.set("session.2", 1).unwrap();
    map.inc("session.2", 1).unwrap();
    map.get_or_insert_with("session.3", || 3.into()).unwrap();
    map.merge([("session.4", 1)], Conflict::Theirs).unwrap();
    map.transaction(|transaction| transaction.set("session.5", 1)).unwrap();
    assert_eq!(
        map.compare_and_swap("session.2", Some(2.into()), Some(3.into())).unwrap(),
        Swap::Done
    );
    let is_held = |result: Result<(), Error>| matches!(result, Err(Error::Backpressure { .. }));
    assert!(is_held(map.remove("session.2").map(drop)));
    assert!(is_held(map.transaction(|transaction| transaction.remove("session.2"))));
    assert!(is_held(map.compare_and_swap("session.2", Some(3.into()), None).map(drop)));
    // What it comes to is not known before the closure has run.
    assert!(is_held(map.update("session.2", |_| Some(7.into())).map(drop)));
}

#[test]
fn a_watch_is_told_of_its_keys_whoever_else_watches_others() {
    let map = SafeMap::new(Schema::open());
    let other = map.watch("other.*".parse().unwrap()).start();
    map.set("user.1", 1).unwrap();
    let watch = map.watch("user.*".parse().unwrap()).changes([Change::Written]).start();
    for number in 2..100 {
        map.set("user.1", number).unwrap();
        map.set("third", number).unwrap();
    }
    map.remove("user.1").unwrap();
    map.set("user.1", 100).unwrap();
    drop(map);
    let values: Vec<_> = watch
        .map(|notice| match notice {
            Notice::Event(event) => event.value.unwrap().as_integer().unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(values, (2..=100).collect::<Vec<_>>());
    assert_eq!(other.count(), 0);
}

#[test]
fn a_watch_waits_no_longer_than_it_is_told() {
    let map = SafeMap::new(Schema::open());
    let watch = map.watch("**".parse().unwrap()).start();
    assert!(watch.next_within(Duration::from_millis(1)).is_none());
    assert!(!watch.is_over());
    map.set("a", 1).unwrap();
    assert!(watch.next_within(Duration::from_secs(3600)).is_some());
    map.set("a", 2).unwrap();
    drop(map);
    assert!(watch.next_within(Duration::from_secs(3600)).is_some());
    assert!(watch.next_within(Duration::from_secs(3600)).is_none());
    assert!(watch.is_over());
}

/// A clock that looks at the map it is for, and so waits for its locks.
#[derive(Debug, Default)]
struct Nosy(OnceLock<SafeMap>);

impl Clock for Nosy {
    fn now(&self) -> Duration {
        if let Some(map) = self.0.get() {
            map.len();
        }
        Duration::ZERO
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

#[test]
fn a_clock_may_ask_the_map() {
    for entries in [1000, usize::MAX] {
        let clock = Arc::new(Nosy::default());
        let map = SafeMap::builder(Schema::open())
            .shards(1)
            .max_entries(entries)
            .clock(clock.clone())
            .build();
        clock.0.set(map.clone()).unwrap();
        map.set("a", 1).unwrap();
        map.inc("b", 1).unwrap();
        map.transaction(|transaction| transaction.set("c", 1)).unwrap();
        map.load([("d", 1)]).unwrap();
        map.update("e", |_| Some(1.into())).unwrap();
        map.remove("e").unwrap();
        map.snapshot();
        map.sweep();
        map.audit();
        assert_eq!(map.len(), 1);
    }
}

#[test]
fn lists_that_are_compared_and_swapped_lose_no_item() {
    let map = SafeMap::new(Schema::open());
    let list = |items: Vec<Value>| Value::from(items);
    map.set("list", list(Vec::new())).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let map = &map;
            scope.spawn(move || {
                for number in 0..200 {
                    let mut held = map.get("list").unwrap();
                    loop {
                        let mut items = held.as_ref().unwrap().as_list().unwrap().to_vec();
                        items.push(Value::from(thread * 1000 + number));
                        match map.compare_and_swap("list", held, Some(list(items))).unwrap() {
                            Swap::Done => break,
                            Swap::Differs(other) => held = other,
                        }
                    }
                }
            });
        }
    });
    let held = map.get("list").unwrap().unwrap();
    let mut numbers: Vec<i64> =
        held.as_list().unwrap().iter().filter_map(Value::as_integer).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 800);

    // Equality is that of the contents, and absence is a state as any other.
    let same = list(held.as_list().unwrap().to_vec());
    assert_eq!(map.compare_and_swap("list", Some(same), None).unwrap(), Swap::Done);
    let swap = map.compare_and_swap("list", Some(held), Some(1.into())).unwrap();
    assert_eq!(swap, Swap::Differs(None));
    assert_eq!(map.compare_and_swap("list", None, Some("text".into())).unwrap(), Swap::Done);
    let swap = map.compare_and_swap("list", Some("texts".into()), None).unwrap();
    assert_eq!(swap, Swap::Differs(Some("text".into())));
    let swap = map.compare_and_swap("list", Some(1.into()), None).unwrap();
    assert_eq!(swap, Swap::Differs(Some("text".into())));
}
