//! Each operation, as two connections see it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tophash_safemap::{Conflict, Error as Refusal, Object, Schema, Swap, Type, Value};
use tophash_safemap_redis::{Error, SharedMap};

use crate::server::{Server, wait_until};

fn schema() -> Schema {
    Schema::builder()
        .key("config.version", Type::string().pattern(r"\d+\.\d+").unwrap().required())
        .key("user.*.visits", Type::integer().range(0..=1000))
        .key("count.*", Type::integer())
        .key("name.*", Type::string().max_size(8))
        .key("any.**", Type::any())
        .key("brief.*", Type::integer().ttl(Duration::from_millis(30)))
        .key("session.*", Type::string().idle(Duration::from_secs(3600)))
        .build()
        .unwrap()
}

fn pair(server: &Server) -> (SharedMap, SharedMap) {
    let connect = || SharedMap::connect(&server.url("test"), schema()).unwrap();
    (connect(), connect())
}

fn refusal(error: Error) -> Refusal {
    match error {
        Error::Map(refusal) => refusal,
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_shown_of_a_builder_holds_no_password() {
    let builder = SharedMap::builder("redis://ada:secret@cache/web", schema());
    let shown = format!("{builder:?}");
    assert!(!shown.contains("secret"), "{shown}");
    assert!(shown.contains("feed_length"), "{shown}");
}

#[test]
fn what_one_connection_writes_the_other_reads() {
    let server = Server::start();
    let (one, other) = pair(&server);
    let nested = Object::from([(Arc::from("list"), Value::from(vec![1.into(), "a b\n".into()]))]);
    for value in [
        Value::from(true),
        i64::MIN.into(),
        0.1.into(),
        "text with spaces \0".into(),
        (&[0_u8, 255][..]).into(),
        nested.into(),
    ] {
        one.set("any.a", value.clone()).unwrap();
        assert_eq!(other.get("any.a").unwrap(), Some(value));
    }
    let name = other.key::<String>("name.a").unwrap();
    assert_eq!(other.get(&name).unwrap(), None);
    one.set("name.a", "Ada").unwrap();
    assert_eq!(other.get(&name).unwrap().as_deref(), Some("Ada"));
    assert!(other.contains("name.a").unwrap());
    assert_eq!(other.remove(&name).unwrap().as_deref(), Some("Ada"));
    assert_eq!(one.get("name.a").unwrap(), None);
    assert_eq!(one.remove("name.a").unwrap(), None);
    assert_eq!(one.len().unwrap(), 1);
}

#[test]
fn the_door_refuses_as_that_of_a_map_in_memory() {
    let server = Server::start();
    let (map, _) = pair(&server);
    let local = tophash_safemap::SafeMap::new(schema());
    for (key, value) in [
        ("user.7.visits", Value::from("one")),
        ("user.7.visits", (-1).into()),
        ("user.7.vists", 1.into()),
        ("config.version", "one".into()),
        ("name.a", "far too long".into()),
        ("", 1.into()),
    ] {
        let (ours, theirs) = (map.set(key, value.clone()), local.set(key, value));
        assert_eq!(refusal(ours.unwrap_err()), theirs.unwrap_err());
    }
    let (ours, theirs) = (map.remove("config.version"), local.remove("config.version"));
    assert_eq!(refusal(ours.unwrap_err()), theirs.unwrap_err());
    assert!(map.key::<String>("count.a").is_err());
    assert!(map.is_empty().unwrap());
}

#[test]
fn sums_are_exact_and_held_to_their_limits() {
    let server = Server::start();
    let (map, other) = pair(&server);
    let local = tophash_safemap::SafeMap::new(schema());
    let edges =
        [0, 1, -1, 7, 1 << 52, (1 << 53) + 1, -(1 << 53) - 1, i64::MAX, i64::MIN, 1 - i64::MAX];
    for start in edges {
        for by in edges {
            for key in ["count.a", "user.7.visits"] {
                if map.set(key, start).is_err() {
                    assert!(local.set(key, start).is_err());
                    continue;
                }
                local.set(key, start).unwrap();
                let (ours, theirs) = (map.inc(key, by), local.inc(key, by));
                assert_eq!(ours.map_err(refusal), theirs, "{key}: {start} and {by}");
                assert_eq!(other.get(key).unwrap(), local.get(key).unwrap());
            }
        }
    }
    assert_eq!(map.inc("count.new", -3).unwrap(), -3);
    map.set("any.text", "one").unwrap();
    local.set("any.text", "one").unwrap();
    assert_eq!(map.inc("any.text", 1).map_err(refusal), local.inc("any.text", 1));
    assert_eq!(map.inc("name.a", 1).map_err(refusal), local.inc("name.a", 1));
}

#[test]
fn compound_steps_do_what_they_say() {
    let server = Server::start();
    let (one, other) = pair(&server);
    let count = one.key::<i64>("count.a").unwrap();
    assert_eq!(one.compare_and_swap(&count, None, Some(1)).unwrap(), Swap::Done);
    assert_eq!(other.compare_and_swap(&count, None, Some(2)).unwrap(), Swap::Differs(Some(1)));
    assert_eq!(other.compare_and_swap(&count, Some(1), None).unwrap(), Swap::Done);
    assert_eq!(one.get_or_insert_with(&count, || 5).unwrap(), 5);
    assert_eq!(other.get_or_insert_with(&count, || unreachable!()).unwrap(), 5);
    // The closure is run again when another connection was first.
    let mut runs = 0;
    let new = one.update(&count, |old| {
        runs += 1;
        if runs == 1 {
            other.inc(&count, 1).unwrap();
        }
        old.map(|old| old * 2)
    });
    assert_eq!((new.unwrap(), runs), (Some(12), 2));
    assert_eq!(one.update(&count, |_| None).unwrap(), None);
    assert!(!other.contains(&count).unwrap());
    // An insertion that comes second drops what it made.
    let held = one.get_or_insert_with(&count, || {
        other.set(&count, 8).unwrap();
        9
    });
    assert_eq!(held.unwrap(), 8);
}

#[test]
fn a_load_or_merge_is_all_or_nothing() {
    let server = Server::start();
    let (one, other) = pair(&server);
    let refused = one.load([("config.version", Value::from(1)), ("nmae.a", "x".into())]);
    assert!(
        matches!(refusal(refused.unwrap_err()), Refusal::Invalid { faults } if faults.len() == 2)
    );
    let refused = one.load([("name.a", "x")]).unwrap_err();
    assert!(refused.to_string().contains("required"), "{refused}");
    assert!(other.is_empty().unwrap());

    one.load([("config.version", "1.0"), ("name.a", "x")]).unwrap();
    one.load([("config.version", "2.0"), ("name.b", "y")]).unwrap();
    let held: BTreeMap<String, Value> =
        other.snapshot().unwrap().iter().map(|(key, value)| (key.into(), value.clone())).collect();
    let expected = [("config.version", "2.0"), ("name.b", "y")];
    assert_eq!(held, expected.map(|(key, value)| (key.to_owned(), value.into())).into());

    let theirs = [("name.b", "z"), ("name.c", "z")];
    let refused = other.merge(theirs, Conflict::Error).unwrap_err();
    assert!(matches!(refusal(refused), Refusal::Conflict { key } if &*key == "name.b"));
    assert!(!other.contains("name.c").unwrap());
    let merged = other.merge(theirs, Conflict::Ours).unwrap();
    assert_eq!((merged.written, merged.kept), (1, 1));
    let join = |_: &str, ours: &Value, theirs: &Value| {
        Value::from([ours.as_str().unwrap(), theirs.as_str().unwrap()].concat())
    };
    other.merge([("name.b", "z")], Conflict::With(&join)).unwrap();
    assert_eq!(one.get("name.b").unwrap(), Some("yz".into()));
    other.merge([("name.b", "w")], Conflict::Theirs).unwrap();
    assert_eq!(one.get("name.b").unwrap(), Some("w".into()));
    let many = (0..100_001).map(|number| (format!("count.{number}"), 1));
    assert!(matches!(one.merge(many, Conflict::Theirs), Err(Error::TooMany { .. })));
}

#[test]
fn a_transaction_sees_one_moment_and_writes_all_or_nothing() {
    let server = Server::start();
    let (one, other) = pair(&server);
    let (a, b) = (one.key::<i64>("count.a").unwrap(), one.key::<i64>("count.b").unwrap());
    let mut runs = 0;
    let seen = one.transaction(|transaction| {
        runs += 1;
        let first = transaction.get(&a)?;
        if runs == 1 {
            other.transaction(|transaction| {
                transaction.set(&a, 1)?;
                transaction.set(&b, 1)
            })?;
        }
        let second = transaction.get(&b)?;
        assert_eq!(first, second, "no run sees half of the other's writes");
        Ok(first)
    });
    assert_eq!((seen.unwrap(), runs), (Some(1), 2));

    let given_up = one.transaction(|transaction| {
        transaction.set(&a, 5)?;
        assert_eq!(transaction.get(&a)?, Some(5));
        transaction.remove(&b)?;
        Err::<(), _>(transaction.give_up("no"))
    });
    assert!(matches!(refusal(given_up.unwrap_err()), Refusal::GivenUp { .. }));
    assert_eq!((other.get(&a).unwrap(), other.get(&b).unwrap()), (Some(1), Some(1)));
}

#[test]
fn entries_end_by_their_rule() {
    let server = Server::start();
    let (one, other) = pair(&server);
    one.set("brief.a", 1).unwrap();
    one.set("count.a", 1).unwrap();
    wait_until("the entry is gone", || other.get("brief.a").unwrap().is_none());
    assert_eq!(other.snapshot().unwrap().len(), 1);
    assert_eq!(one.inc("brief.a", 1).unwrap(), 1, "what is gone counts as zero");
    // A read prolongs an idle time; the server's own account of it says so.
    one.set("session.a", "x").unwrap();
    let end = || server.command("ZSCORE {safemap:test}:expiry session.a");
    let first = end();
    wait_until("a read moves the end", || {
        assert!(other.get("session.a").unwrap().is_some());
        end() != first
    });
}

#[test]
fn texts_of_another_length_are_another_schema() {
    let server = Server::start();
    let schema = |most| {
        let text = Type::string().max_characters(most);
        Schema::builder().key("name", text).build().unwrap()
    };
    let _first = SharedMap::connect(&server.url("test"), schema(3)).unwrap();
    let refused = SharedMap::connect(&server.url("test"), schema(4)).unwrap_err();
    assert!(matches!(refused, Error::OtherSchema { .. }), "{refused}");
    SharedMap::connect(&server.url("test"), schema(3)).unwrap();
}

#[test]
fn another_schema_is_refused_with_what_differs() {
    let server = Server::start();
    let (map, _) = pair(&server);
    let other = Schema::builder().key("count.*", Type::integer().range(0..)).build().unwrap();
    let refused = SharedMap::connect(&server.url("test"), other.clone()).unwrap_err();
    assert!(matches!(refused, Error::OtherSchema { .. }));
    assert!(refused.to_string().contains("\"count.*\": integer from 0 here"), "{refused}");
    // In another namespace it is welcome.
    SharedMap::connect(&server.url("elsewhere"), other.clone()).unwrap().set("count.a", 1).unwrap();
    // The same is said to one that was there when the namespace was emptied and taken.
    server.command("FLUSHALL");
    assert!(matches!(map.set("count.a", 1), Err(Error::Forgotten { .. })));
    assert!(matches!(map.get("count.a"), Err(Error::Forgotten { .. })));
    assert!(matches!(map.snapshot(), Err(Error::Forgotten { .. })));
    let taken = SharedMap::connect(&server.url("test"), other).unwrap();
    assert!(matches!(map.inc("count.a", 1), Err(Error::OtherSchema { .. })));
    assert!(matches!(map.snapshot(), Err(Error::OtherSchema { .. })));
    assert!(matches!(map.reclaim(), Err(Error::OtherSchema { .. })));
    assert!(taken.is_empty().unwrap());
    server.command("FLUSHALL");
    map.reclaim().unwrap();
    assert_eq!(map.inc("count.a", 1).unwrap(), 1);
}
