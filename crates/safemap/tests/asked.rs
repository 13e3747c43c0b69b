//! What users of other concurrent maps have asked for, or were hit by, and what happens here; each with
//! the issue. `docs/safemap.md` has the list.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use tophash_safemap::{
    Change, Conflict, Error, Eviction, ManualClock, Notice, SafeMap, Schema, Swap, Type, Value,
};

fn open() -> SafeMap {
    SafeMap::new(Schema::open())
}

/// xacrimon/dashmap#74, #233 and #369: what one thread has read keeps neither itself nor another from
/// writing, in whatever order and however shards fall together.
#[test]
fn what_was_read_locks_nothing() {
    let map = SafeMap::builder(Schema::open()).shards(2).build();
    map.set("alpha", 1).unwrap();
    map.set("beta", 2).unwrap();
    thread::scope(|scope| {
        for (read, written) in [("alpha", "beta"), ("beta", "alpha")] {
            let map = &map;
            scope.spawn(move || {
                for number in 0..10_000 {
                    let held = map.get(read).unwrap();
                    map.set(written, number).unwrap();
                    drop(held);
                }
            });
        }
    });
    // A closure may use the map, and the very key that it is about.
    let value = map.update("alpha", |_| map.get("beta").unwrap()).unwrap();
    assert_eq!(value, Some(9_999.into()));
    map.transaction(|transaction| {
        map.set("gamma", 1)?;
        transaction.set("delta", 1)
    })
    .unwrap();
    let made = map.get_or_insert_with("epsilon", || map.get("gamma").unwrap().unwrap());
    assert_eq!(made.unwrap(), 1.into());
    for (key, _) in &map.snapshot() {
        map.remove(&*key).unwrap();
    }
    assert!(map.is_empty());
}

/// Pending once, so that whoever else is ready runs in between.
async fn pause() {
    let mut is_over = false;
    poll_fn(|context| {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut is_over, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn is_send<F: Future + Send>(future: F) -> F {
    future
}

/// xacrimon/dashmap#79, #343 and #348, wvwwvwwv/scalable-concurrent-containers#143 and #148: tasks of one
/// thread that hold what they have read while they wait do not stop each other, and may go to another
/// thread with it.
#[test]
fn what_is_held_while_a_task_waits_stops_no_other() {
    let map = open();
    map.set("a", 0).unwrap();
    let work = |map: SafeMap| {
        is_send(async move {
            for _ in 0..100 {
                let held = map.get("a").unwrap();
                pause().await;
                map.inc("a", 1).unwrap();
                pause().await;
                drop(held);
            }
        })
    };
    let mut context = Context::from_waker(Waker::noop());
    let mut tasks: Vec<Pin<Box<dyn Future<Output = ()>>>> =
        (0..30).map(|_| Box::pin(work(map.clone())) as Pin<Box<_>>).collect();
    let mut turns = 0;
    while !tasks.is_empty() {
        tasks.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
        turns += 1;
        assert!(turns < 1_000, "a task stands still");
    }
    assert_eq!(map.get("a").unwrap(), Some(3_000.into()));
    assert!(pin!(work(map)).poll(&mut context).is_pending());
}

/// xacrimon/dashmap#149 and #196: to insert only what is not there is one step, of which one writer
/// of several succeeds.
#[test]
fn one_of_several_that_insert_is_the_first() {
    let map = open();
    let winners: usize = thread::scope(|scope| {
        let insert = |number: i64| {
            let map = &map;
            scope.spawn(move || {
                map.compare_and_swap("id", None, Some(number.into())).unwrap() == Swap::Done
            })
        };
        let threads: Vec<_> = (0..8).map(insert).collect();
        threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
    });
    assert_eq!(winners, 1);
}

/// moka-rs/moka#179, #227, #353 and #432: to count, and to compute anew from what is there, loses nothing.
#[test]
fn what_is_computed_from_what_is_there_loses_nothing() {
    let map = open();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    map.inc("counted", 1).unwrap();
                    map.update("computed", |old| {
                        let old = old.as_ref().and_then(Value::as_integer).unwrap_or(0);
                        Some((old + 1).into())
                    })
                    .unwrap();
                }
            });
        }
    });
    assert_eq!(map.get("counted").unwrap(), Some(4_000.into()));
    assert_eq!(map.get("computed").unwrap(), Some(4_000.into()));
}

/// xacrimon/dashmap#247: the whole content is replaced at once, and no reader sees half.
#[test]
fn a_content_is_replaced_as_one() {
    let map = open();
    let all = |number: i64| (0..50).map(move |key| (format!("key.{key}"), number));
    map.load(all(0)).unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| (1..200).for_each(|number| map.load(all(number)).unwrap()));
        while !writer.is_finished() {
            let snapshot = map.snapshot();
            let first = snapshot.get("key.0").cloned();
            assert!(snapshot.iter().all(|(_, value)| Some(value) == first.as_ref()));
            assert_eq!(snapshot.len(), 50);
        }
    });
}

/// xacrimon/dashmap#13, #97 and #151: what is iterated over is of one moment, and writers go on.
#[test]
fn who_iterates_sees_one_moment_and_stops_nobody() {
    let map = open();
    (0..100).for_each(|number| map.set(&format!("key.{number}"), number).unwrap());
    let mut seen = 0;
    for (key, value) in &map.snapshot() {
        map.remove(&*key).unwrap();
        map.set(&format!("new.{key}"), value).unwrap();
        seen += 1;
    }
    assert_eq!((seen, map.len()), (100, 100));
    // Without a moment of its own it locks as little.
    for (key, _) in map.iter() {
        map.remove(&*key).unwrap();
    }
    assert!(map.is_empty());
}

/// ibraheemdev/papaya#31 and wvwwvwwv/scalable-concurrent-containers#150: what is removed, overwritten or
/// evicted is given back then, not when others get to it.
#[test]
fn what_is_gone_is_given_back_at_once() {
    let map = SafeMap::builder(Schema::open())
        .shards(1)
        .max_entries(2)
        .eviction(Eviction::LeastRecentlyUsed)
        .build();
    let contents: Vec<Arc<str>> = ["one", "two", "three"].map(Arc::from).to_vec();
    let holders = |number: usize| Arc::strong_count(&contents[number]) - 1;
    map.set("a", Arc::clone(&contents[0])).unwrap();
    map.set("b", Arc::clone(&contents[1])).unwrap();
    assert_eq!((holders(0), holders(1)), (1, 1));
    map.set("a", 1).unwrap();
    assert_eq!(holders(0), 0, "overwritten");
    map.get("a").unwrap();
    map.set("c", Arc::clone(&contents[2])).unwrap();
    assert_eq!(holders(1), 0, "evicted");
    map.remove("c").unwrap();
    assert_eq!(holders(2), 0, "removed");
}

/// wvwwvwwv/scalable-concurrent-containers#130 and #171: nothing is evicted before the bound is reached,
/// however keys fall on shards, and who wants to know is told what was.
#[test]
fn nothing_is_evicted_while_there_is_room_and_all_that_is_is_told() {
    let map = SafeMap::builder(Schema::open())
        .max_entries(64)
        .eviction(Eviction::LeastRecentlyUsed)
        .build();
    let evicted = map.watch("**".parse().unwrap()).changes([Change::Evicted]).start();
    (0..64).for_each(|number| map.set(&format!("key{number}"), number).unwrap());
    assert!(evicted.try_next().is_none());
    assert_eq!(map.len(), 64);
    map.set("one.more", 1).unwrap();
    assert!(matches!(evicted.try_next(), Some(Notice::Event(_))));
    assert!(evicted.try_next().is_none());
}

/// moka-rs/moka#125, #231, #300, #349 and #544: keys have times to live of their own, what has ended is
/// never seen, writes elsewhere collect it, and its end is told.
#[test]
fn what_has_ended_is_not_seen_and_goes_by_itself() {
    let clock = Arc::new(ManualClock::new());
    let minute = Duration::from_secs(60);
    let schema = Schema::builder()
        .key("brief.*", Type::integer().ttl(minute))
        .key("long.*", Type::integer().ttl(60 * minute))
        .key("idle.*", Type::integer().idle(minute))
        .build()
        .unwrap();
    let map = SafeMap::builder(schema).clock(clock.clone()).shards(1).build();
    let ended = map.watch("**".parse().unwrap()).changes([Change::Expired]).start();
    for pattern in ["brief", "long", "idle"] {
        (0..10).for_each(|number| map.set(&format!("{pattern}.{number}"), number).unwrap());
    }
    clock.advance(minute);
    assert_eq!(map.get("brief.0").unwrap(), None);
    assert_eq!(map.get("long.0").unwrap(), Some(0.into()));
    assert_eq!(map.snapshot().len(), 10);
    (0..20).for_each(|number| map.set("long.0", number).unwrap());
    assert_eq!(map.len(), 10);
    assert_eq!(std::iter::from_fn(|| ended.try_next()).count(), 20);
}

/// xacrimon/dashmap#47 and #253: of several writers that make a value, all get the one that is there.
#[test]
fn what_several_make_at_once_is_one() {
    let map = open();
    let got: Vec<Value> = thread::scope(|scope| {
        let make = |number: i64| {
            let map = &map;
            scope.spawn(move || map.get_or_insert_with("a", || number.into()).unwrap())
        };
        let threads: Vec<_> = (0..8).map(make).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(got.iter().all(|value| Some(value) == map.get("a").unwrap().as_ref()));
    // Of several keys as well, or of none.
    let both = map.merge([("a", 1), ("b", 1)], Conflict::Error);
    assert!(matches!(both, Err(Error::Conflict { .. })) || got[0] == Value::from(1));
    assert_eq!(map.contains("b").unwrap(), got[0] == Value::from(1));
}
