//! What watches over a shared map: breaker and alerts, refusals, metrics and audits.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tophash_safemap::{
    Breaker, BreakerState, Change, Error as Refusal, ManualClock, MapMetrics, Notice, Schema, Type,
    audit_report,
};
use tophash_safemap_redis::{Error, SharedMap, SharedMapBuilder};

use crate::server::{Server, wait_until};

const HOUR: Duration = Duration::from_secs(3600);

fn schema() -> Schema {
    Schema::builder()
        .key("config.version", Type::string())
        .key("lock.*", Type::integer())
        .build()
        .unwrap()
}

struct Watched {
    clock: Arc<ManualClock>,
    said: Arc<Mutex<Vec<String>>>,
    builder: SharedMapBuilder,
}

fn watched(server: &Server) -> Watched {
    let clock = Arc::new(ManualClock::new());
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    let builder = SharedMap::builder(&server.url("web"), schema())
        // A server that is gone refuses at once; one that is slow must not be taken for one that is gone.
        .timeout(Duration::from_secs(60))
        .clock(clock.clone())
        .breaker(Breaker::default())
        .on_alert(move |alert| heard.lock().unwrap().push(alert.to_string()));
    Watched { clock, said, builder }
}

#[test]
fn a_server_that_is_gone_opens_the_breaker_and_one_that_is_back_closes_it() {
    let mut server = Server::start();
    let Watched { clock, said, builder } = watched(&server);
    let map = builder.connect().unwrap();
    map.set("lock.a", 1).unwrap();
    server.kill();
    for _ in 0..100 {
        if map.breaker_state() != BreakerState::Closed {
            break;
        }
        assert!(map.inc("lock.a", 1).unwrap_err().is_passing());
        clock.advance(Duration::from_millis(100));
    }
    let refused = map.set("lock.a", 2).unwrap_err();
    assert!(matches!(&refused, Error::Map(Refusal::ReadOnly { .. })), "{refused}");
    assert!(refused.to_string().contains("can't be reached"), "{refused}");
    server.restart();
    // Reads go on; writes once the breaker has rested.
    wait_until("the server answers", || map.get("lock.a").is_ok());
    assert!(map.set("lock.a", 2).is_err());
    clock.advance(Duration::from_secs(10));
    for number in 0..5 {
        map.set("lock.a", number).unwrap();
    }
    assert_eq!(map.breaker_state(), BreakerState::Closed);
    let said = said.lock().unwrap();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("SafeMap@web is read-only: "), "{}", said[0]);
    assert!(said[0].contains("the store failed"), "{}", said[0]);
    assert_eq!(said[1], "SafeMap@web takes writes again");
}

#[test]
fn writers_that_disagree_open_it_with_the_key_that_they_disagree_on() {
    let server = Server::start();
    let Watched { clock, said, builder } = watched(&server);
    let map = builder.connect().unwrap();
    let calm = SharedMap::connect(&server.url("web"), schema()).unwrap();
    for number in 0..100 {
        let _ = if number % 2 == 0 {
            map.set("config.version", "1.0")
        } else {
            map.set("config.version", 1)
        };
        clock.advance(Duration::from_millis(100));
    }
    assert_eq!(map.breaker_state(), BreakerState::Open);
    let said = said.lock().unwrap().clone();
    assert!(said[0].contains("\"config.version\" came 26 times as integer"), "{}", said[0]);
    // Each process has a breaker of its own.
    calm.set("config.version", "1.1").unwrap();
    assert_eq!(map.get("config.version").unwrap(), Some("1.1".into()));
    assert!(map.transaction(|transaction| transaction.set("lock.a", 1)).is_err());
    let read = map.transaction(|transaction| transaction.get("config.version"));
    assert_eq!(read.unwrap(), Some("1.1".into()));
}

#[test]
fn a_transaction_that_gives_up_is_told_its_own_error_and_takes_no_probe() {
    let server = Server::start();
    let Watched { clock, builder, .. } = watched(&server);
    let map = builder.connect().unwrap();
    map.set("lock.a", 1).unwrap();
    while map.breaker_state() == BreakerState::Closed {
        map.set("config.version", 1).unwrap_err();
        clock.advance(Duration::from_millis(100));
    }
    let give_up = || {
        let outcome = map.transaction(|transaction| {
            transaction.get("lock.a")?;
            Err::<(), _>(transaction.give_up("enough"))
        });
        assert!(matches!(outcome, Err(Error::Map(Refusal::GivenUp { .. }))), "{outcome:?}");
    };
    give_up();
    let refused = map.transaction(|transaction| transaction.set("config.version", 1));
    assert!(matches!(refused, Err(Error::Map(Refusal::Refused { .. }))), "{refused:?}");
    let late = map.transaction(|transaction| transaction.set("lock.a", 2));
    assert!(matches!(late, Err(Error::Map(Refusal::ReadOnly { .. }))), "{late:?}");
    clock.advance(Duration::from_secs(10));
    for number in 0..5 {
        for _ in 0..5 {
            give_up();
        }
        map.transaction(|transaction| transaction.set("lock.a", number)).unwrap();
    }
    assert_eq!(map.breaker_state(), BreakerState::Closed);
    assert_eq!(map.get("lock.a").unwrap(), Some(4.into()));
}

#[test]
fn a_refusal_is_told_to_who_watches_in_its_process() {
    let server = Server::start();
    let map = SharedMap::connect(&server.url("web"), schema()).unwrap();
    let watch = map.watch("**".parse().unwrap()).unwrap().changes([Change::Refused]).start();
    map.set("lock.a", "x").unwrap_err();
    map.get("lcok.a").unwrap_err();
    let told: Vec<_> = std::iter::from_fn(|| watch.try_next())
        .map(|notice| match notice {
            Notice::Event(event) => event.error.unwrap().to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            "\"lock.a\": expected integer, came string",
            "no key \"lcok.a\" in the schema; perhaps \"lock.a\" was meant"
        ]
    );
    // A hook is a watch with a thread.
    let (sender, gone) = mpsc::channel();
    let all = "lock.*".parse().unwrap();
    let hook = map
        .watch(all)
        .unwrap()
        .changes([Change::Removed])
        .hook(move |event| Ok(sender.send(event.key.to_string())?))
        .unwrap();
    map.set("lock.b", 1).unwrap();
    map.remove("lock.b").unwrap();
    assert_eq!(gone.recv().unwrap(), "lock.b");
    assert_eq!(hook.finish().done, 1);
}

#[test]
fn metrics_tell_what_the_server_said_last_and_ask_it_nothing() {
    let mut server = Server::start();
    let map = watched(&server).builder.connect().unwrap();
    let other = SharedMap::connect(&server.url("web"), schema()).unwrap();
    let metrics = MapMetrics::new();
    metrics.add_supervised(map.supervisor());
    let mut registry = Registry::default();
    registry.register_collector(Box::new(metrics));
    for number in 0..9 {
        other.set(&format!("lock.{number}"), 1).unwrap();
    }
    map.set("lock.0", 12).unwrap();
    map.set("lock.0", "x").unwrap_err();
    map.get("lock.1").unwrap();
    map.get("lock.x").unwrap();
    map.remove("lock.8").unwrap();
    server.kill();
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    for line in [
        "safe_map_entries{namespace=\"web\"} 8.0",
        // Eight keys of six bytes, each with a letter and a digit, and one more digit.
        "safe_map_bytes{namespace=\"web\"} 65.0",
        "safe_map_breaker_state{namespace=\"web\"} 0.0",
        "safe_map_operations_total{namespace=\"web\",result=\"hit\"} 1",
        "safe_map_operations_total{namespace=\"web\",result=\"miss\"} 1",
        "safe_map_operations_total{namespace=\"web\",result=\"written\"} 1",
        "safe_map_operations_total{namespace=\"web\",result=\"removed\"} 1",
        "safe_map_operations_total{namespace=\"web\",result=\"refused\"} 1",
    ] {
        assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
    }
    let rate = "safe_map_write_failure_rate{namespace=\"web\"} 0.333";
    assert!(text.lines().any(|told| told.starts_with(rate)), "{text}");
    drop(map);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    assert!(!text.contains("web"), "{text}");
}

#[test]
fn audits_by_the_clock_find_what_grows_in_all_processes_together() {
    let server = Server::start();
    let Watched { clock, builder, .. } = watched(&server);
    let map = builder.max_entries(10_000).connect().unwrap();
    let other = SharedMap::connect(&server.url("web"), schema()).unwrap();
    other.set("config.version", "1.0").unwrap();
    // Ages are whole milliseconds of the server's clock, and what is oldest is to be so.
    let written = server.command("TIME");
    wait_until("its clock goes on", || {
        let microseconds = |time: &str| -> u64 {
            let mut parts = time.lines().filter_map(|line| line.parse::<u64>().ok());
            parts.next().unwrap() * 1_000_000 + parts.next().unwrap()
        };
        microseconds(&server.command("TIME")) > microseconds(&written) + 1000
    });
    map.set("config.version", 1).unwrap_err();
    let (sender, records) = mpsc::channel();
    let auditor = map.audit_every(HOUR, move |record| Ok(sender.send(record.clone())?)).unwrap();
    let mut all = vec![records.recv().unwrap()];
    for hour in 0..5 {
        for number in 0..100 {
            let map = if number % 2 == 0 { &map } else { &other };
            map.set(&format!("lock.{hour}-{number}"), 1).unwrap();
        }
        clock.advance(HOUR);
        all.push(records.recv().unwrap());
    }
    assert_eq!(map.growths().len(), 1);
    let report = audit_report(&all);
    for line in [
        "SafeMap@web:\n  - keys: 501",
        ", 10000 at most\n",
        "\"config.version\" drifts: written once as string, refused once as integer by process",
        "longest-lived: \"config.version\" ",
        "looks like a leak: \"lock.*\" grew at each of 5 audits, from 0 to 500 keys in 5 h; the \
         bound is reached in 3 days",
    ] {
        assert!(report.contains(line), "{line} is not in\n{report}");
    }
    // Reads leave no trace on the server, and nothing is said of them.
    assert!(!report.contains("never read"), "{report}");
    assert_eq!(auditor.finish().done, 6);
}

#[test]
fn an_audit_that_the_server_does_not_answer_is_counted_and_the_thread_ends_with_the_map() {
    let mut server = Server::start();
    let Watched { clock, builder, .. } = watched(&server);
    let map = builder.connect().unwrap();
    let (sender, records) = mpsc::channel();
    let auditor = map.audit_every(HOUR, move |record| Ok(sender.send(record.entries)?)).unwrap();
    records.recv().unwrap();
    server.kill();
    clock.advance(HOUR);
    wait_until("the failure is counted", || auditor.outcome().failed == 1);
    assert!(auditor.outcome().last_fault.is_some());
    drop(map);
    assert!(records.recv().is_err(), "the function went with its thread");
}
