//! What watchers and caches get to know of other connections.

use std::time::{Duration, Instant};

use tophash_safemap::{Change, Notice, Schema, Type};
use tophash_safemap_redis::SharedMap;

use crate::server::{Server, wait_until};

fn schema() -> Schema {
    Schema::builder()
        .key("brief.*", Type::integer().ttl(Duration::from_millis(20)))
        .key("**", Type::any())
        .build()
        .unwrap()
}

#[test]
fn a_watcher_is_told_of_every_change_in_order() {
    let server = Server::start();
    let connect = || SharedMap::connect(&server.url("test"), schema()).unwrap();
    let (one, other) = (connect(), connect());
    let watch = one.watch("job.*".parse().unwrap()).unwrap().start();
    for number in 0..1000 {
        other.set("job.a", number).unwrap();
        other.set("elsewhere", number).unwrap();
    }
    other.remove("job.a").unwrap();
    other.set("job.a", "last").unwrap();
    let events: Vec<_> = watch
        .map(|notice| match notice {
            Notice::Event(event) => event,
            other => panic!("{other:?}"),
        })
        .take_while(|event| event.value != Some("last".into()))
        .collect();
    assert_eq!(events.len(), 1001);
    for (number, event) in events.iter().take(1000).enumerate() {
        assert_eq!(event.change, Change::Written);
        assert_eq!(event.value, Some((number as i64).into()));
    }
    assert_eq!(events[1000].change, Change::Removed);
    assert_eq!(events[1000].value, Some(999.into()));
    assert!(events.is_sorted_by(|one, next| one.version < next.version));
}

#[test]
fn an_end_is_told_when_it_is_met() {
    let server = Server::start();
    let connect = || SharedMap::connect(&server.url("test"), schema()).unwrap();
    let (one, other) = (connect(), connect());
    let watch = one.watch("brief.*".parse().unwrap()).unwrap().changes([Change::Expired]).start();
    other.set("brief.a", 1).unwrap();
    let mut told = None;
    wait_until("the end is told", || {
        other.set("other", 1).unwrap();
        told = watch.try_next();
        told.is_some()
    });
    assert!(matches!(told, Some(Notice::Event(event)) if &*event.key == "brief.a"));
    assert_eq!(one.len().unwrap(), 1);
}

#[test]
fn a_cache_is_told_what_others_change() {
    let server = Server::start();
    let url = server.url("test");
    // As long a lease as no pause of a busy machine is.
    let builder = SharedMap::builder(&url, schema()).cache(100);
    let cached = builder.cache_lease(Duration::from_secs(60)).connect().unwrap();
    let other = SharedMap::connect(&url, schema()).unwrap();
    for round in 0..20 {
        other.set("a", round).unwrap();
        wait_until("the new value is read", || cached.get("a").unwrap() == Some(round.into()));
        let hits = cached.cache_hits();
        wait_until("a read is served here", || {
            assert_eq!(cached.get("a").unwrap(), Some(round.into()));
            cached.cache_hits() > hits
        });
        // What is written here is read here, whatever the feed has got to.
        cached.set("a", -round).unwrap();
        assert_eq!(cached.get("a").unwrap(), Some((-round).into()));
    }
}

#[test]
fn a_transaction_costs_the_cache_no_more_than_its_keys() {
    let server = Server::start();
    let builder = SharedMap::builder(&server.url("test"), schema()).cache(100);
    let cached = builder.cache_lease(Duration::from_secs(60)).connect().unwrap();
    let watch = cached.watch("a.9".parse().unwrap()).unwrap().start();
    let keys: Vec<String> = (0..10).map(|number| format!("a.{number}")).collect();
    for key in &keys {
        cached.set(key.as_str(), 1).unwrap();
    }
    // From here on the feed has nothing more to say of these keys.
    assert!(watch.into_iter().next().is_some());
    let hits_of_all = || {
        let hits = cached.cache_hits();
        for key in &keys {
            assert_eq!(cached.get(key.as_str()).unwrap(), Some(1.into()));
        }
        cached.cache_hits() - hits
    };
    wait_until("all are served here", || hits_of_all() == 10);
    cached
        .transaction(|transaction| {
            transaction.set("x", 1)?;
            transaction.remove("y")
        })
        .unwrap();
    assert_eq!(hits_of_all(), 10);
    // Its own keys are not served as they were before.
    cached
        .transaction(|transaction| {
            transaction.set("a.0", 2)?;
            transaction.set("a.1", 2)
        })
        .unwrap();
    assert_eq!(cached.get("a.0").unwrap(), Some(2.into()));
    assert_eq!(cached.get("a.1").unwrap(), Some(2.into()));
    cached.load([("a.2", 2)]).unwrap();
    assert_eq!(cached.get("a.3").unwrap(), None);
}

#[test]
fn a_short_lease_serves_while_nothing_changes() {
    let server = Server::start();
    let builder = SharedMap::builder(&server.url("test"), schema()).cache(100);
    let cached = builder.cache_lease(Duration::from_millis(150)).connect().unwrap();
    cached.set("a", 1).unwrap();
    // What was heard when it connected, and of this write, is over.
    let start = Instant::now();
    wait_until("the feed is quiet", || start.elapsed() > Duration::from_millis(500));
    let hits = cached.cache_hits();
    wait_until("reads are served here", || {
        cached.get("a").unwrap();
        cached.cache_hits() > hits + 10
    });
}
