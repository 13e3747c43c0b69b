//! Bounds, which no process passes, whichever asked for them.

use std::thread;
use std::time::Duration;

use tophash_safemap::{Change, Conflict, Error as Refusal, Notice, Schema, Type, Value};
use tophash_safemap_redis::{Error, SharedMap, SharedMapBuilder};

use crate::server::{Server, wait_until};

fn schema() -> Schema {
    Schema::builder()
        .key("brief.*", Type::integer().ttl(Duration::from_millis(30)))
        .key("**", Type::any())
        .build()
        .unwrap()
}

fn builder(server: &Server) -> SharedMapBuilder {
    SharedMap::builder(&server.url("test"), schema())
}

fn is_full<R: std::fmt::Debug>(result: Result<R, Error>, bound: &str) -> bool {
    matches!(&result, Err(Error::Map(Refusal::Full { bound: told, .. })) if *told == bound)
        || panic!("{result:?}")
}

#[test]
fn a_bound_of_one_process_holds_all_and_is_passed_by_none() {
    let server = Server::start();
    let maps: Vec<_> = (0..4)
        .map(|number| match number {
            0 => builder(&server).max_entries(100).connect().unwrap(),
            _ => builder(&server).connect().unwrap(),
        })
        .collect();
    let full: usize = thread::scope(|scope| {
        let threads: Vec<_> = maps
            .iter()
            .enumerate()
            .map(|(writer, map)| {
                scope.spawn(move || {
                    let write = |number: usize| match number % 4 {
                        0 => map.set(&format!("a.{writer}.{number}"), 1),
                        1 => map.inc(&format!("b.{writer}.{number}"), 1).map(drop),
                        2 => map.transaction(|transaction| {
                            transaction.set(&format!("c.{writer}.{number}"), 1)?;
                            transaction.set(&format!("d.{writer}.{number}"), 1)
                        }),
                        _ => map
                            .merge([(format!("e.{writer}.{number}"), 1)], Conflict::Error)
                            .map(drop),
                    };
                    let outcomes = (0..60).map(|number| {
                        let outcome = write(number);
                        assert!(map.len().unwrap() <= 100);
                        outcome
                    });
                    outcomes.filter(|outcome| outcome.is_err()).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(maps[0].len().unwrap(), 100);
    // 300 entries were asked for, of which a pair has one refusal.
    assert!((140..=200).contains(&full), "{full}");
}

#[test]
fn a_full_map_refuses_what_grows_it_and_nothing_else() {
    let server = Server::start();
    let map = builder(&server).max_entries(2).connect().unwrap();
    map.set("a", 1).unwrap();
    map.set("b", 1).unwrap();
    assert!(is_full(map.set("c", 1), "entries"));
    let told = map.inc("c", 1).unwrap_err().to_string();
    assert_eq!(told, "no room for \"c\": the map takes no more than 2 entries");
    assert!(is_full(map.compare_and_swap("c", None, Some(1.into())), "entries"));
    assert!(is_full(map.get_or_insert_with("c", || 1.into()), "entries"));
    assert!(is_full(map.merge([("a", 2), ("c", 2)], Conflict::Theirs), "entries"));
    assert!(is_full(map.load([("x", 1), ("y", 1), ("z", 1)]), "entries"));
    assert_eq!(map.get("a").unwrap(), Some(1.into()), "all or nothing");
    // What takes no more room goes on.
    map.set("a", 2).unwrap();
    map.inc("b", 1).unwrap();
    map.load([("x", 1), ("y", 1)]).unwrap();
    map.transaction(|transaction| {
        transaction.remove("x")?;
        transaction.set("z", 1)
    })
    .unwrap();
    map.remove("y").unwrap();
    map.set("brief.a", 1).unwrap();
    // What has ended makes room.
    wait_until("there is room again", || map.set("c", 1).is_ok());
    assert!(is_full(map.set("d", 1), "entries"));
    // A process that comes later may set it anew, and the others are held to that.
    let other = builder(&server).max_entries(3).connect().unwrap();
    map.set("d", 1).unwrap();
    builder(&server).max_entries(1).connect().unwrap();
    other.set("d", 2).unwrap();
    assert!(is_full(other.set("e", 1), "entries"));
    assert_eq!(other.audit().unwrap().max_entries, Some(1));
}

#[test]
fn bytes_are_counted_exactly_whatever_is_done() {
    let server = Server::start();
    let map = builder(&server).max_bytes(1000).connect().unwrap();
    let long = "x".repeat(1000);
    assert!(is_full(map.set("a", &*long), "bytes"));
    map.set("a", "x".repeat(500)).unwrap();
    assert!(is_full(map.set("b", "x".repeat(600)), "bytes"));
    map.set("a", "x").unwrap();
    map.set("b", "x".repeat(600)).unwrap();
    assert!(is_full(map.load([("c", &*long)]), "bytes"));
    map.load([("c", "x".repeat(900)), ("d", String::new())]).unwrap();
    map.remove("c").unwrap();
    map.inc("n", 99).unwrap();
    map.inc("n", 1).unwrap();
    map.update("n", |old| old.map(|_| Value::from("text"))).unwrap();
    map.set("brief.b", 1).unwrap();
    wait_until("it has ended", || map.get("brief.b").unwrap().is_none());
    map.set("brief.b", 22).unwrap();
    map.merge([("e", 1), ("f", 2)], Conflict::Theirs).unwrap();
    wait_until("it is gone", || {
        map.set("g", 1).unwrap();
        map.len().unwrap() == 5
    });
    // By what lies there: each key, and its value as it is encoded.
    let audit = map.audit().unwrap();
    assert_eq!(audit.bytes, (1 + 1) + (1 + 5) + 2 * (1 + 2) + (1 + 2));
    let counted = server.command("HGET {safemap:test}:meta bytes");
    assert_eq!(counted.lines().nth(1), Some(&*audit.bytes.to_string()));
}

/// A namespace for sessions that end when they are not used, and flags that never do.
fn cache(server: &Server) -> SharedMapBuilder {
    let hour = Duration::from_secs(3600);
    let schema = Schema::builder()
        .key("session.*", Type::any().idle(hour))
        .key("brief.*", Type::any().ttl(hour / 2))
        .key("flag.*", Type::any())
        .build()
        .unwrap();
    SharedMap::builder(&server.url("cache"), schema).evict_soonest_to_expire(true)
}

/// Waits until the server's clock, which counts milliseconds, has gone on.
fn a_moment_later(server: &Server) {
    let time = || {
        let answer = server.command("TIME");
        let mut lines = answer.lines().skip(2).step_by(2).map(|line| line.parse::<u64>().unwrap());
        lines.next().unwrap() * 1000 + lines.next().unwrap() / 1000
    };
    let start = time();
    wait_until("a millisecond has gone by", || time() > start);
}

#[test]
fn a_full_map_that_evicts_lets_go_what_was_used_longest_ago() {
    let server = Server::start();
    let map = cache(&server).max_entries(3).connect().unwrap();
    let watch = map.watch("**".parse().unwrap()).unwrap().changes([Change::Evicted]).start();
    map.set("flag.a", 1).unwrap();
    for key in ["session.a", "session.b"] {
        map.set(key, 1).unwrap();
        a_moment_later(&server);
    }
    map.get("session.a").unwrap();
    a_moment_later(&server);
    map.set("session.c", 1).unwrap();
    assert!(!map.contains("session.b").unwrap() && map.contains("session.a").unwrap());
    // What ends sooner goes first, by whichever operation; what is written in the same step stays.
    map.inc("brief.a", 1).unwrap();
    map.merge([("brief.a", 2), ("session.d", 2)], Conflict::Theirs).unwrap();
    map.transaction(|transaction| {
        transaction.set("session.d", 3)?;
        transaction.set("session.e", 3)
    })
    .unwrap();
    let mut left: Vec<_> = map.snapshot().unwrap().iter().map(|(key, _)| key.to_owned()).collect();
    left.sort_unstable();
    assert_eq!(left, ["flag.a", "session.d", "session.e"]);
    assert_eq!(map.operations().evictions, 4);
    let told: Vec<_> = watch
        .take(4)
        .map(|notice| match notice {
            Notice::Event(event) => event.key.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, ["session.b", "session.a", "session.c", "brief.a"]);
    // A process that says nothing of it changes nothing; one that says otherwise decides for all.
    let schema = map.schema().clone();
    let url = server.url("cache");
    SharedMap::connect(&url, schema.clone()).unwrap().set("session.f", 1).unwrap();
    let strict = SharedMap::builder(&url, schema).evict_soonest_to_expire(false);
    strict.connect().unwrap();
    assert!(is_full(map.set("session.g", 1), "entries"));
}

#[test]
fn a_write_that_has_no_room_even_so_evicts_nothing() {
    let server = Server::start();
    let map = cache(&server).max_entries(4).max_bytes(100).connect().unwrap();
    for key in ["flag.a", "flag.b", "session.a", "session.b"] {
        map.set(key, 1).unwrap();
    }
    assert!(is_full(map.set("session.long", "x".repeat(100)), "bytes"));
    assert!(is_full(
        map.merge((0..3).map(|n| (format!("flag.{n}"), n)), Conflict::Ours),
        "entries"
    ));
    assert!(is_full(map.load((0..5).map(|n| (format!("session.{n}"), n))), "entries"));
    assert_eq!((map.len().unwrap(), map.operations().evictions), (4, 0));
    // By bytes as many go as it takes.
    map.set("session.c", "x".repeat(74)).unwrap();
    assert_eq!((map.len().unwrap(), map.operations().evictions), (3, 2));
    assert!(is_full(map.set("session.c", "x".repeat(75)), "bytes"));
    assert_eq!(map.get("flag.a").unwrap(), Some(1.into()));
    let bytes = map.audit().unwrap().bytes;
    let counted = server.command("HGET {safemap:cache}:meta bytes");
    assert_eq!(counted.lines().nth(1), Some(&*bytes.to_string()));
}
