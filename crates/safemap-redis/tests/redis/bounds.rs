//! Bounds, which no process passes, whichever asked for them.

use std::thread;
use std::time::Duration;

use tophash_safemap::{Conflict, Error as Refusal, Schema, Type, Value};
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
    assert!(is_full(map.inc("c", 1), "entries"));
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
