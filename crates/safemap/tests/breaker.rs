//! The breaker at work in a map: what is refused, what goes on, and what is said.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tophash_safemap::{
    Breaker, BreakerState, Conflict, Error, ManualClock, Overflow, SafeMap, Schema, Type, Value,
};

struct Service {
    map: SafeMap,
    clock: Arc<ManualClock>,
    said: Arc<Mutex<Vec<String>>>,
}

fn service() -> Service {
    let clock = Arc::new(ManualClock::new());
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    let schema = Schema::builder()
        .key("version", Type::string())
        .key("count", Type::integer())
        .build()
        .unwrap();
    let map = SafeMap::builder(schema)
        .name("payment")
        .clock(clock.clone())
        .breaker(Breaker::default())
        .on_alert(move |alert| heard.lock().unwrap().push(alert.to_string()))
        .build();
    Service { map, clock, said }
}

/// Ten writes a second, `bad` of them wrong, for so long; stops when the map is read-only.
fn run(service: &Service, bad: usize, seconds: usize) {
    for _ in 0..seconds {
        for write in 0..10 {
            let result = if write < bad {
                service.map.set("version", 2)
            } else {
                service.map.set("version", "2.0.0")
            };
            if matches!(result, Err(Error::ReadOnly { .. })) {
                return;
            }
            service.clock.advance(Duration::from_millis(100));
        }
    }
}

#[test]
fn one_bad_write_in_ten_opens_nothing() {
    let service = service();
    run(&service, 1, 60);
    assert_eq!(service.map.breaker_state(), BreakerState::Closed);
    assert!((service.map.write_failure_rate() - 0.1).abs() < 0.02);
    assert!(service.said.lock().unwrap().is_empty());
}

#[test]
fn it_opens_refuses_writes_serves_reads_and_closes_by_itself() {
    let service = service();
    let map = &service.map;
    map.set("count", 1).unwrap();
    run(&service, 3, 60);
    assert_eq!(map.breaker_state(), BreakerState::Open);

    // No write of any kind.
    let is_read_only = |result: Result<(), Error>| matches!(result, Err(Error::ReadOnly { .. }));
    assert!(is_read_only(map.set("count", 2)));
    assert!(is_read_only(map.inc("count", 1).map(drop)));
    assert!(is_read_only(map.remove("count").map(drop)));
    assert!(is_read_only(map.merge([("count", 2)], Conflict::Theirs).map(drop)));
    assert!(is_read_only(map.load([("count", 2)])));
    assert!(is_read_only(map.transaction(|transaction| transaction.set("count", 2))));
    // Every read.
    assert_eq!(map.get("count").unwrap(), Some(Value::from(1)));
    assert_eq!(map.get_or_insert_with("count", || 9.into()).unwrap(), Value::from(1));
    assert_eq!(map.snapshot().len(), 2);
    let read = map.transaction(|transaction| transaction.get("count"));
    assert_eq!(read.unwrap(), Some(Value::from(1)));

    // Probes close it.
    service.clock.advance(Duration::from_secs(10));
    for probe in 0..5 {
        assert_eq!(map.inc("count", 1).unwrap(), 2 + probe);
    }
    assert_eq!(map.breaker_state(), BreakerState::Closed);

    let said = service.said.lock().unwrap();
    assert_eq!(said.len(), 2);
    assert!(said[0].contains("\"version\" was written"), "{}", said[0]);
    assert!(said[0].contains("as string and came"), "{}", said[0]);
    assert_eq!(said[1], "SafeMap@payment takes writes again");
}

#[test]
fn a_bad_probe_opens_it_again() {
    let service = service();
    run(&service, 5, 60);
    service.clock.advance(Duration::from_secs(10));
    service.map.set("count", 1).unwrap();
    service.map.set("count", "one").unwrap_err();
    assert_eq!(service.map.breaker_state(), BreakerState::Open);
    assert!(service.map.set("count", 2).is_err());
}

#[test]
fn a_transaction_that_gives_up_is_no_failure() {
    let service = service();
    for _ in 0..100 {
        let given_up: Result<(), _> =
            service.map.transaction(|transaction| Err(transaction.give_up("not now")));
        assert!(matches!(given_up, Err(Error::GivenUp { .. })));
        service.clock.advance(Duration::from_millis(100));
    }
    assert_eq!(service.map.breaker_state(), BreakerState::Closed);
}

#[test]
fn removals_that_are_done_count_as_successes() {
    let service = service();
    let map = &service.map;
    for _ in 0..600 {
        // Four writes, five removals, one failure.
        for _ in 0..4 {
            map.set("count", 1).unwrap();
        }
        for _ in 0..5 {
            map.remove("count").unwrap();
            map.set("count", 1).unwrap();
        }
        for _ in 0..2 {
            map.set("count", "one").unwrap_err();
        }
        service.clock.advance(Duration::from_millis(100));
    }
    // 14 of 16 were done, which without the removals would be 9 of 11.
    assert_eq!(map.breaker_state(), BreakerState::Closed);
    assert!((map.write_failure_rate() - 2.0 / 16.0).abs() < 0.01);
}

#[test]
fn a_map_that_is_full_can_still_be_emptied() {
    let clock = Arc::new(ManualClock::new());
    let map = SafeMap::builder(Schema::open())
        .clock(clock.clone())
        .max_entries(10)
        .breaker(Breaker::default())
        .build();
    for number in 0..10 {
        map.set(&format!("key.{number}"), number).unwrap();
    }
    for _ in 0..1000 {
        assert!(matches!(map.set("new", 1), Err(Error::Full { .. })));
        clock.advance(Duration::from_millis(10));
    }
    assert_eq!(map.breaker_state(), BreakerState::Closed);
    assert_eq!(map.operations().refusals, 1000);
    map.remove("key.1").unwrap();
    map.set("new", 1).unwrap();
}

#[test]
fn a_slow_observer_makes_no_map_read_only() {
    let clock = Arc::new(ManualClock::new());
    let map =
        SafeMap::builder(Schema::open()).clock(clock.clone()).breaker(Breaker::default()).build();
    let slow = Overflow::Wait(Duration::ZERO);
    let _watch = map.watch("slow".parse().unwrap()).capacity(1).overflow(slow).start();
    map.set("slow", 0).unwrap();
    for _ in 0..1000 {
        assert!(matches!(map.set("slow", 1), Err(Error::Backpressure { .. })));
        clock.advance(Duration::from_millis(10));
    }
    assert_eq!(map.breaker_state(), BreakerState::Closed);
    map.set("other", 1).unwrap();
}

#[test]
fn a_transaction_s_own_error_is_returned_whatever_the_breaker_says() {
    let service = service();
    run(&service, 5, 60);
    let fail = || {
        service.map.transaction(|transaction| {
            transaction.get("count")?;
            Err::<(), _>(transaction.give_up("mine"))
        })
    };
    assert_eq!(service.map.breaker_state(), BreakerState::Open);
    assert_eq!(fail(), Err(Error::GivenUp { reason: "mine".to_owned() }));
    service.clock.advance(Duration::from_secs(10));
    service.map.set("count", 1).unwrap();
    assert_eq!(service.map.breaker_state(), BreakerState::HalfOpen);
    for _ in 0..10 {
        assert_eq!(fail(), Err(Error::GivenUp { reason: "mine".to_owned() }));
    }
    // And no probe was used up.
    for _ in 0..4 {
        service.map.set("count", 1).unwrap();
    }
    assert_eq!(service.map.breaker_state(), BreakerState::Closed);
}

#[test]
fn a_listener_that_panics_takes_no_write_with_it() {
    let clock = Arc::new(ManualClock::new());
    let heard = Arc::new(Mutex::new(0));
    let listener = Arc::clone(&heard);
    let map = SafeMap::builder(Schema::builder().key("a", Type::integer()).build().unwrap())
        .clock(clock.clone())
        .breaker(Breaker::default().bad_slices(1).floor(1))
        .on_alert(|_| panic!("a listener of the test"))
        .on_alert(move |_| *listener.lock().unwrap() += 1)
        .build();
    for _ in 0..2 {
        assert!(matches!(map.set("a", "x"), Err(Error::Refused { .. })));
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(map.breaker_state(), BreakerState::Open);
    assert_eq!(*heard.lock().unwrap(), 1, "the others are told all the same");
}
