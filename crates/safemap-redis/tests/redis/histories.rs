//! Histories of several connections, put in order; with a server that runs, and one that is killed.

use std::sync::atomic::AtomicU64;
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Duration;

use tophash_safemap::{Conflict, Error as Refusal, Schema, Swap, Value};
use tophash_safemap_redis::{Error, OpenMap, SharedMap};

use crate::server::{Server, wait_until};
use crate::support::{Call, KEYS, Op, Outcome, Random, Subject, call, is_linearizable};

/// A map that is asked again when the server was not there, and for which a write without an answer
/// is one of unknown outcome.
struct Patient(OpenMap);

impl Subject for Patient {
    fn run(&self, op: &Op) -> Outcome {
        let mut outcome = None;
        wait_until("the operation is done", || {
            outcome = match run(&self.0, op) {
                Ok(outcome) => Some(outcome),
                Err(error) if error.is_unknown() => Some(Outcome::Unknown),
                Err(error) if error.is_passing() => None,
                Err(error) => panic!("{op:?}: {error}"),
            };
            outcome.is_some()
        });
        outcome.unwrap()
    }
}

run_on!(OpenMap, Error, Error::Map(Refusal::Conflict { .. }), OpenMap::snapshot);

/// Lets each map do its plan at the same time. `between` is called before each operation with its
/// thread and place.
fn record(maps: &[Patient], plans: &[Vec<Op>], between: impl Fn(usize, usize) + Sync) -> Vec<Call> {
    let time = AtomicU64::new(0);
    let start = Barrier::new(plans.len());
    thread::scope(|scope| {
        let threads: Vec<_> = maps
            .iter()
            .zip(plans)
            .enumerate()
            .map(|(number, (map, plan))| {
                let (time, start, between) = (&time, &start, &between);
                scope.spawn(move || {
                    start.wait();
                    let calls = plan.iter().enumerate().map(|(place, op)| {
                        between(number, place);
                        call(map, time, op)
                    });
                    calls.collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

fn plans(random: &mut Random, threads: usize) -> Vec<Vec<Op>> {
    (0..threads).map(|_| (0..8).map(|_| random.op()).collect()).collect()
}

fn open(url: &str) -> Patient {
    Patient(OpenMap::open(url, Schema::open()).unwrap())
}

#[test]
fn every_history_of_connections_has_an_order() {
    let server = Server::start();
    let mut random = Random(6);
    for round in 0..150 {
        let url = server.url(&format!("round-{round}"));
        let maps: Vec<Patient> = (0..3).map(|_| open(&url)).collect();
        let history = record(&maps, &plans(&mut random, 3), |_, _| {});
        assert!(history.iter().all(|call| call.outcome != Outcome::Unknown));
        assert!(is_linearizable(&history), "round {round}: {history:#?}");
    }
}

#[test]
fn the_same_operations_over_memory_have_an_order() {
    let mut random = Random(7);
    for round in 0..300 {
        let OpenMap::Memory(map) = open("memory:").0 else { panic!() };
        let maps: Vec<Patient> = (0..3).map(|_| Patient(OpenMap::Memory(map.clone()))).collect();
        let history = record(&maps, &plans(&mut random, 3), |_, _| {});
        assert!(is_linearizable(&history), "round {round}: {history:#?}");
    }
}

/// Runs histories, in each of which something befalls the server while the maps are at their work.
fn trouble(seed: u64, timeout: Duration, befalls: impl Fn(&mut Server, &Patient) + Sync) {
    let server = Mutex::new(Server::start());
    let mut random = Random(seed);
    let (mut unknown, mut known) = (0, 0);
    for round in 0..25 {
        let url = server.lock().unwrap().url(&format!("round-{round}"));
        let connect = || {
            let mut map = None;
            wait_until("the server takes a connection", || {
                map = SharedMap::builder(&url, Schema::open()).timeout(timeout).connect().ok();
                map.is_some()
            });
            Patient(OpenMap::Shared(map.unwrap()))
        };
        let maps: Vec<Patient> = (0..3).map(|_| connect()).collect();
        let place_of_trouble = 1 + random.below(6) as usize;
        // One thread makes the trouble, while the others are at their work.
        let history = record(&maps, &plans(&mut random, 3), |thread, place| {
            if thread == 0 && place == place_of_trouble {
                befalls(&mut server.lock().unwrap(), &maps[0]);
            }
        });
        unknown += history.iter().filter(|call| call.outcome == Outcome::Unknown).count();
        known += history.iter().filter(|call| call.outcome != Outcome::Unknown).count();
        assert!(is_linearizable(&history), "round {round}: {history:#?}");
    }
    eprintln!("{known} operations were answered, {unknown} were not");
    assert!(known > unknown);
}

#[test]
fn no_answered_write_is_lost_when_the_server_is_killed() {
    trouble(8, Duration::from_secs(2), |server, _| {
        server.kill();
        server.restart();
    });
}

/// As behind a network that takes everything and brings nothing: what was sent meanwhile may be done
/// when it is whole again, long after its sender was told that the outcome is unknown.
#[test]
fn no_answered_write_is_lost_when_the_server_can_not_be_heard() {
    trouble(9, Duration::from_millis(100), |server, map| {
        server.freeze();
        // As long as a call takes to give up, so that the others' have begun by then.
        let error = map.0.get(KEYS[0]).unwrap_err();
        assert!(error.is_passing() && !error.is_unknown(), "{error}");
        server.thaw();
    });
}

#[test]
fn no_answered_write_is_lost_when_connections_are_cut() {
    trouble(10, Duration::from_secs(2), |server, _| {
        for _ in 0..3 {
            server.command("CLIENT KILL TYPE normal");
        }
    });
}
