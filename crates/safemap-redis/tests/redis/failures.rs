//! A server that is not there, does not answer, or refuses.

use std::time::Duration;

use tophash_safemap::{Change, Notice, Schema, Type, Watch};
use tophash_safemap_redis::{Error, SharedMap};

use crate::server::{Server, wait_until};

/// One whose server takes far less long on a busy machine, and where it hangs, is not waited for long.
const SOON: Duration = Duration::from_secs(3);
/// For servers that are gone: the system says so at once, and no other answer is late.
const LATE: Duration = Duration::from_secs(60);

fn connect(server: &Server, timeout: Duration, cache: usize) -> SharedMap {
    SharedMap::builder(&server.url("test"), Schema::open())
        .timeout(timeout)
        .cache(cache)
        .cache_lease(Duration::from_millis(500))
        .connect()
        .unwrap()
}

#[test]
fn a_server_that_is_gone_is_said_to_be_and_found_again() {
    let mut server = Server::start();
    let map = connect(&server, LATE, 0);
    map.set("a", 1).unwrap();
    server.kill();
    // The connection that lies ready may be found broken by the write itself.
    let first = map.set("a", 2).unwrap_err();
    assert!(first.is_passing(), "{first}");
    let second = map.set("a", 2).unwrap_err();
    assert!(matches!(&second, Error::Unreachable { .. }), "{second}");
    assert!(!second.is_unknown());
    assert!(matches!(map.get("a"), Err(Error::Unreachable { .. })));
    server.restart();
    assert_eq!(map.get("a").unwrap(), Some(1.into()));
    assert_eq!(map.inc("a", 1).unwrap(), 2);
}

#[test]
fn a_server_that_does_not_answer_costs_no_more_than_the_timeout() {
    let server = Server::start();
    let map = connect(&server, SOON, 0);
    map.set("a", 1).unwrap();
    server.freeze();
    let write = map.set("a", 2).unwrap_err();
    let read = map.get("a").unwrap_err();
    server.thaw();
    assert!(write.is_passing() && read.is_passing(), "{write}; {read}");
    assert!(!read.is_unknown());
    // What was sent may be done now, and if it is not said to be so, it is not done.
    wait_until("the server answers", || map.get("a").is_ok());
    if !write.is_unknown() {
        assert_eq!(map.get("a").unwrap(), Some(1.into()));
    }
    map.set("a", 3).unwrap();
    assert_eq!(map.get("a").unwrap(), Some(3.into()));
}

#[test]
fn a_cache_is_not_served_for_longer_than_its_lease() {
    let server = Server::start();
    let map = connect(&server, SOON, 10);
    map.set("a", 1).unwrap();
    wait_until("the cache serves", || {
        map.get("a").unwrap();
        map.cache_hits() > 0
    });
    server.freeze();
    wait_until("the cache no longer serves", || map.get("a").is_err());
    server.thaw();
    wait_until("the server answers", || map.get("a").is_ok());
    let hits = map.cache_hits();
    wait_until("the cache serves again", || {
        assert_ne!(map.get("a").ok(), Some(None));
        map.cache_hits() > hits
    });
}

#[test]
fn a_write_that_may_be_done_is_not_read_from_before_it() {
    let server = Server::start();
    let map = SharedMap::builder(&server.url("test"), Schema::open())
        .timeout(Duration::from_millis(300))
        .cache(10)
        .cache_lease(Duration::from_secs(60))
        .connect()
        .unwrap();
    map.set("a", 1).unwrap();
    let writes: [&dyn Fn() -> Result<(), Error>; 3] =
        [&|| map.set("a", 2), &|| map.inc("a", 1).map(drop), &|| map.load([("a", 2)])];
    for write in writes {
        wait_until("a write was sent and not answered", || {
            wait_until("the cache serves", || {
                let hits = map.cache_hits();
                map.get("a").is_ok() && map.cache_hits() > hits
            });
            // A connection that was used just now is not asked first whether it lives.
            map.contains("a").unwrap();
            server.freeze();
            let (written, read) = (write(), map.get("a"));
            server.thaw();
            let is_unknown = written.unwrap_err().is_unknown();
            assert!(!is_unknown || read.is_err(), "{read:?}");
            wait_until("the server answers", || map.contains("a").is_ok());
            is_unknown
        });
    }
}

#[test]
fn a_watcher_misses_nothing_over_a_restart() {
    let mut server = Server::start();
    let (map, other) = (connect(&server, LATE, 0), connect(&server, LATE, 0));
    let watch = map.watch("**".parse().unwrap()).unwrap().start();
    let mut written = Vec::new();
    for number in 0..60_i64 {
        if number % 20 == 10 {
            server.kill();
            server.restart();
        }
        wait_until("it is written", || match other.set("a", number) {
            Ok(()) => true,
            // Sent or not, to write it once more does no harm.
            Err(error) => {
                assert!(error.is_passing(), "{error}");
                false
            }
        });
        written.push(number);
    }
    let mut told = Vec::new();
    for notice in watch {
        let Notice::Event(event) = notice else { panic!("{notice:?}") };
        told.push(event.value.unwrap().as_integer().unwrap());
        if told.last() == Some(&59) {
            break;
        }
    }
    told.dedup();
    assert_eq!(told, written);
}

fn told(watch: &mut Watch, until: &str) -> Vec<String> {
    let mut told = Vec::new();
    for notice in watch {
        told.push(match notice {
            Notice::Event(event) => event.key.to_string(),
            Notice::Missed(count) => format!("missed {count}"),
            other => panic!("{other:?}"),
        });
        if told.last().is_some_and(|told| told == until) {
            break;
        }
    }
    told
}

#[test]
fn what_comes_in_place_of_writes_that_the_server_lost_is_told() {
    for instead in [1, 3, 6] {
        let mut server = Server::start_forgetful();
        let (map, other) = (connect(&server, LATE, 10), connect(&server, LATE, 0));
        let mut watch = map.watch("**".parse().unwrap()).unwrap().start();
        for number in 0..3 {
            other.set(&format!("kept.{number}"), 1).unwrap();
        }
        server.command("SAVE");
        for number in 0..3 {
            other.set(&format!("lost.{number}"), 1).unwrap();
        }
        let before = ["kept.0", "kept.1", "kept.2", "lost.0", "lost.1", "lost.2"];
        assert_eq!(told(&mut watch, "lost.2"), before);
        // Others write before who watches is back.
        server.kill();
        let port = server.restart_elsewhere();
        let early = connect(&server, LATE, 0);
        for number in 0..instead {
            early.set(&format!("new.{number}"), 1).unwrap();
        }
        server.command("SAVE");
        server.kill();
        server.restart_at(port);
        wait_until("it is written", || other.set("last", 1).is_ok());
        let mut after = vec!["missed 3".to_owned()];
        after.extend((0..instead).map(|number| format!("new.{number}")));
        after.push("last".to_owned());
        assert_eq!(told(&mut watch, "last"), after);
        assert_eq!(map.get("new.0").unwrap(), Some(1.into()));
        assert_eq!(map.get("lost.0").unwrap(), None);
    }
}

#[test]
fn a_namespace_that_was_emptied_is_one_event_that_was_missed() {
    let server = Server::start();
    let map = connect(&server, LATE, 0);
    let mut watch = map.watch("**".parse().unwrap()).unwrap().start();
    for round in 0..3 {
        let key = format!("a.{round}");
        map.set(&key, 1).unwrap();
        let missed = (round > 0).then(|| "missed 1".to_owned());
        let both: Vec<String> = missed.into_iter().chain([key.clone()]).collect();
        assert_eq!(told(&mut watch, &key), both);
        server.command("FLUSHALL");
        assert!(matches!(map.get("a.0"), Err(Error::Forgotten { .. })));
        map.reclaim().unwrap();
    }
}

#[test]
fn a_server_out_of_memory_still_lets_read_and_remove() {
    let server = Server::start();
    let schema = Schema::builder()
        .key("session.*", Type::any().idle(Duration::from_secs(3600)))
        .key("brief.*", Type::any().ttl(Duration::from_millis(1)))
        .key("**", Type::any())
        .build()
        .unwrap();
    let map = SharedMap::connect(&server.url("test"), schema).unwrap();
    let mut ended =
        map.watch("brief.*".parse().unwrap()).unwrap().changes([Change::Expired]).start();
    for key in ["session.a", "a", "b", "c", "brief.a"] {
        map.set(key, 1).unwrap();
    }
    wait_until("it has ended", || map.get("brief.a").unwrap().is_none());
    server.command("CONFIG SET maxmemory 1");
    assert_eq!(map.get("session.a").unwrap(), Some(1.into()));
    // What is refused may take room all the same from what has ended, and does nothing else.
    let is_out = |error: Error| {
        assert!(matches!(&error, Error::Server { code, .. } if code == "OOM"), "{error}");
        assert!(error.is_passing());
    };
    is_out(map.set("a", 2).unwrap_err());
    assert_eq!(map.len().unwrap(), 4);
    assert!(matches!(ended.next(), Some(Notice::Event(event)) if &*event.key == "brief.a"));
    is_out(map.inc("a", 1).unwrap_err());
    is_out(map.load([("a", 2)]).unwrap_err());
    let both = map.transaction(|transaction| {
        transaction.remove("a")?;
        transaction.set("b", 2)
    });
    is_out(both.unwrap_err());
    assert_eq!(map.get("a").unwrap(), Some(1.into()));
    assert_eq!(map.remove("a").unwrap(), Some(1.into()));
    assert_eq!(map.update("b", |_| None).unwrap(), None);
    map.transaction(|transaction| {
        transaction.remove("c")?;
        transaction.remove("session.a")
    })
    .unwrap();
    assert_eq!(map.audit().unwrap().bytes, 0);
    let counted = server.command("HGET {safemap:test}:meta bytes");
    assert_eq!(counted.lines().nth(1), Some("0"));
}

#[test]
fn a_server_that_was_filled_up_takes_writes_again_once_the_map_is_emptied() {
    let server = Server::start();
    let map = connect(&server, LATE, 0);
    server.command("CONFIG SET maxmemory 10mb");
    let value = "x".repeat(100_000);
    let keys: Vec<String> = (0..1000).map(|number| format!("a.{number}")).collect();
    let written = keys.iter().take_while(|key| map.set(key.as_str(), value.as_str()).is_ok());
    let written = written.count();
    assert!((10..1000).contains(&written), "{written}");
    for key in &keys[..written] {
        map.remove(key.as_str()).unwrap();
    }
    // What was removed lies in the feed; each write that is refused gives up half of that.
    wait_until("there is memory again", || map.set("a", 1).is_ok());
}

#[test]
fn a_server_that_refuses_is_quoted_and_nothing_is_done() {
    let server = Server::start();
    let map = connect(&server, LATE, 0);
    map.set("a", 1).unwrap();
    server.command("CONFIG SET maxmemory 1");
    let full = map.set("b", "x").unwrap_err();
    assert!(matches!(&full, Error::Server { code, .. } if code == "OOM"), "{full}");
    let full = map.inc("a", 1).unwrap_err();
    assert!(matches!(&full, Error::Server { code, .. } if code == "OOM"), "{full}");
    assert_eq!(map.get("a").unwrap(), Some(1.into()));
    server.command("CONFIG SET maxmemory 0");
    assert_eq!(map.snapshot().unwrap().len(), 1);

    server.command("CONFIG SET min-replicas-to-write 1");
    let alone = map.set("a", 2).unwrap_err();
    assert!(matches!(&alone, Error::Server { code, .. } if code == "NOREPLICAS"), "{alone}");
    assert!(alone.is_passing(), "others may come");
    server.command("CONFIG SET min-replicas-to-write 0");

    // A replica takes no writes.
    server.command("REPLICAOF 127.0.0.1 1");
    let moved = map.set("a", 2).unwrap_err();
    assert!(matches!(moved, Error::Moved { .. }), "{moved}");
    server.command("REPLICAOF NO ONE");
    map.set("a", 2).unwrap();

    server.command("DEL {safemap:test}:data");
    server.command("SET {safemap:test}:data 1");
    assert!(matches!(map.get("a"), Err(Error::Damaged { .. })));
    server.command("DEL {safemap:test}:meta");
    let orphan = SharedMap::connect(&server.url("test"), Schema::open()).unwrap_err();
    assert!(matches!(orphan, Error::Damaged { .. }), "{orphan}");

    server.command("CONFIG SET requirepass secret");
    let locked = SharedMap::connect(&server.url("other"), Schema::open()).unwrap_err();
    assert!(matches!(&locked, Error::Server { code, .. } if code == "NOAUTH"), "{locked}");
}
