//! The core under shuttle's schedules: locks and atomics hand over where shuttle says, and every
//! history has to have an order. Run with `--features shuttle`.

mod support;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use support::{Call, Op, Random, call, is_linearizable};
use tophash_safemap::{ManualClock, SafeMap, Schema};

fn check(plans: &[Vec<Op>], shards: usize) {
    let clock = Arc::new(ManualClock::new());
    let map = SafeMap::builder(Schema::open()).clock(clock).shards(shards).build();
    let time = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = plans
        .iter()
        .map(|plan| {
            let (map, time, plan) = (map.clone(), Arc::clone(&time), plan.clone());
            shuttle::thread::spawn(move || {
                plan.iter().map(|op| call(&map, &time, op)).collect::<Vec<Call>>()
            })
        })
        .collect();
    let history: Vec<Call> =
        threads.into_iter().flat_map(|thread| thread.join().expect("no thread panics")).collect();
    assert!(is_linearizable(&history), "{history:#?}");
}

#[test]
fn random_plans_have_an_order_under_random_schedules() {
    for seed in 0..400 {
        let mut random = Random(seed);
        let plans: Vec<Vec<Op>> = (0..3).map(|_| (0..3).map(|_| random.op()).collect()).collect();
        shuttle::check_random(move || check(&plans, 2), 25);
    }
}

#[test]
fn transactions_and_snapshots_have_an_order_under_hostile_schedules() {
    let plans = [
        vec![Op::Set(0, 5), Op::Transfer(0, 1), Op::Transfer(1, 2)],
        vec![Op::Transfer(0, 2), Op::Sum, Op::Snapshot],
        vec![Op::Snapshot, Op::Load(1, 3), Op::Sum],
    ];
    for shards in [1, 4] {
        let plans = plans.clone();
        shuttle::check_pct(move || check(&plans, shards), 5_000, 3);
    }
}

#[test]
fn a_commit_takes_no_more_room_from_others_than_it_comes_to_hold() {
    for name in ["d", "e", "f", "g"] {
        let swap_beside_a_write = move || {
            let clock = Arc::new(ManualClock::new());
            let map =
                SafeMap::builder(Schema::open()).clock(clock).max_entries(3).shards(8).build();
            map.load([("a", 1), ("b", 1)]).expect("two fit");
            let swapped = map.clone();
            let swap = shuttle::thread::spawn(move || {
                swapped.transaction(|transaction| {
                    transaction.remove("a")?;
                    transaction.set("c", 1)
                })
            });
            map.set(name, 1).expect("there is room for a third");
            swap.join().expect("no thread panics").expect("one goes for one that comes");
            assert_eq!(map.len(), 3);
        };
        shuttle::check_random(swap_beside_a_write, 1000);
    }
}

#[test]
fn snapshots_beside_writers_are_one_moment() {
    let plans = [
        vec![Op::Snapshot, Op::Snapshot],
        vec![Op::Set(0, 1), Op::Remove(0), Op::Set(1, 1)],
        vec![Op::MergeAll(0), Op::Set(0, 2)],
    ];
    for shards in [1, 4] {
        let plans = plans.clone();
        shuttle::check_pct(move || check(&plans, shards), 5_000, 3);
    }
}

/// Even in a run that is thrown away, a transaction sees only what was there at one moment.
#[test]
fn no_run_of_a_transaction_sees_half_of_another() {
    fn pair(shards: usize) {
        let map = SafeMap::builder(Schema::open()).shards(shards).build();
        map.load([("a", 0), ("b", 0)]).expect("it fits");
        let writer = map.clone();
        let writer = shuttle::thread::spawn(move || {
            for value in 1..4 {
                let both = writer.transaction(|transaction| {
                    transaction.set("a", value)?;
                    transaction.set("b", value)
                });
                both.expect("it fits");
            }
        });
        map.transaction(|transaction| {
            let first = transaction.get("a")?;
            let second = transaction.get("b")?;
            assert_eq!(first, second);
            Ok(())
        })
        .expect("nothing is refused");
        writer.join().expect("no thread panics");
    }
    for shards in [1, 4] {
        shuttle::check_random(move || pair(shards), 2_000);
    }
}

/// Who starts to watch and then reads misses nothing: what it did not read, it is told of.
#[test]
fn a_write_is_read_or_told() {
    fn one_write(removes: bool) {
        let map = SafeMap::builder(Schema::open()).shards(1).build();
        if removes {
            map.set("a", 1).expect("any key will do");
        }
        let writer = map.clone();
        let writer = shuttle::thread::spawn(move || {
            if removes {
                writer.remove("a").expect("it is not required");
            } else {
                writer.set("a", 1).expect("any key will do");
            }
        });
        let watch = map.watch("**".parse().expect("it is a pattern")).start();
        let is_there = map.get("a").expect("any key will do").is_some();
        writer.join().expect("no thread panics");
        if is_there == removes {
            assert!(watch.try_next().is_some(), "neither read nor told");
        }
    }
    for removes in [false, true] {
        shuttle::check_random(move || one_write(removes), 500);
    }
}
