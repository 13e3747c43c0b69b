//! Operations of real threads, recorded and put in order.

mod support;

use std::sync::Barrier;
use std::sync::atomic::AtomicU64;
use std::thread;

use support::{Call, Op, Outcome, Random, call, is_linearizable};
use tophash_safemap::{SafeMap, Schema};

fn record(map: &SafeMap, plans: &[Vec<Op>]) -> Vec<Call> {
    let time = AtomicU64::new(0);
    let start = Barrier::new(plans.len());
    thread::scope(|scope| {
        let threads: Vec<_> = plans
            .iter()
            .map(|plan| {
                let (time, start) = (&time, &start);
                scope.spawn(move || {
                    start.wait();
                    plan.iter().map(|op| call(map, time, op)).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no thread panics")).collect()
    })
}

#[test]
fn every_history_of_threads_has_an_order() {
    let mut random = Random(1);
    for round in 0..3000 {
        let map = SafeMap::builder(Schema::open()).shards(1 << random.below(4)).build();
        let plans: Vec<Vec<Op>> = (0..3).map(|_| (0..8).map(|_| random.op()).collect()).collect();
        let history = record(&map, &plans);
        assert!(is_linearizable(&history), "round {round}: {history:#?}");
    }
}

#[test]
fn a_history_without_an_order_is_found_out() {
    let call = |op, outcome, began, ended| Call { op, outcome, began, ended };
    let value = |value| Outcome::Value(Some(value));
    // An increment that both threads see as the first.
    let lost = [call(Op::Inc(0), value(1), 0, 3), call(Op::Inc(0), value(1), 1, 2)];
    assert!(!is_linearizable(&lost));
    // A value that is read after it was overwritten.
    let stale = [
        call(Op::Set(0, 1), Outcome::Done(true), 0, 1),
        call(Op::Set(0, 2), Outcome::Done(true), 2, 3),
        call(Op::Get(0), value(1), 4, 5),
    ];
    assert!(!is_linearizable(&stale));
    // The same read while the second write runs is right.
    let early = [
        stale[0].clone(),
        call(Op::Set(0, 2), Outcome::Done(true), 2, 5),
        call(Op::Get(0), value(1), 3, 4),
    ];
    assert!(is_linearizable(&early));
    // A write without an answer may have been done, late or never, but not twice.
    let unknown = call(Op::Inc(0), Outcome::Unknown, 0, u64::MAX);
    let read = |number, began| call(Op::Get(0), Outcome::Value(number), began, began + 1);
    assert!(is_linearizable(&[unknown.clone(), read(None, 1), read(Some(1), 3)]));
    assert!(is_linearizable(&[unknown.clone(), read(None, 1), read(None, 3)]));
    assert!(!is_linearizable(&[unknown.clone(), read(Some(1), 1), read(None, 3)]));
    assert!(!is_linearizable(&[unknown, read(Some(2), 1)]));
    // Two snapshots that see two writes in different orders.
    let all = |key| Outcome::All([(key, 1)].into());
    let skewed = [
        call(Op::Set(0, 1), Outcome::Done(true), 0, 6),
        call(Op::Set(1, 1), Outcome::Done(true), 1, 7),
        call(Op::Snapshot, all(0), 2, 4),
        call(Op::Snapshot, all(1), 3, 5),
    ];
    assert!(!is_linearizable(&skewed));
}

#[test]
fn a_snapshot_is_one_moment_while_writers_go_on() {
    // Writers move one between neighbours; the sum stays. Many entries, so that a snapshot takes
    // several chunks, and fresh keys, so that tables move meanwhile.
    const ACCOUNTS: usize = 20_000;
    let map = SafeMap::builder(Schema::open()).shards(4).build();
    let keys: Vec<_> = (0..ACCOUNTS)
        .map(|account| map.key::<i64>(&format!("account.{account}")).unwrap())
        .collect();
    for key in &keys {
        map.set(key, 100).unwrap();
    }
    let stop = std::sync::atomic::AtomicBool::new(false);
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    thread::scope(|scope| {
        for seed in 0..2 {
            let (map, keys, stop) = (&map, &keys, &stop);
            scope.spawn(move || {
                let mut random = Random(seed);
                let mut fresh = 0;
                while !stop.load(relaxed) {
                    let from = random.below(ACCOUNTS as u64) as usize;
                    let to = random.below(ACCOUNTS as u64) as usize;
                    let moved = map.transaction(|transaction| {
                        let rest = transaction.get(&keys[from])?.unwrap_or(0);
                        transaction.set(&keys[from], rest - 1)?;
                        let other = transaction.get(&keys[to])?.unwrap_or(0);
                        transaction.set(&keys[to], other + 1)
                    });
                    moved.unwrap();
                    fresh += 1;
                    map.set(format!("fresh.{seed}.{}", fresh % 10_000).as_str(), 0).unwrap();
                }
            });
        }
        for _ in 0..20 {
            let snapshot = map.snapshot();
            let accounts = snapshot.iter().filter(|(key, _)| key.starts_with("account"));
            let sum: i64 = accounts.map(|(_, value)| value.as_integer().unwrap()).sum();
            assert_eq!(sum, 100 * ACCOUNTS as i64);
        }
        stop.store(true, relaxed);
    });
}
