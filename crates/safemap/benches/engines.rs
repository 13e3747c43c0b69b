//! Which engine should hold the entries? Peers and two sharded designs on the same mixes, in one run.
//!
//! Keys and values are `u64`, so that nothing but the engine is timed. Every mix is seeded; each
//! engine sees the same operations. Rounds of the engines alternate, and the best of the rounds
//! counts, so that a neighbour's load falls on all alike. Arguments: substrings of row names, such
//! as `zipf` or `2t`; without any, all rows run.

mod workload;

use std::hash::BuildHasher;
use std::sync::{Mutex, RwLock};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use workload::{Engine, MIXES, Mix, draw_ranks, time};

const SHARDS: usize = 64;
const ROUNDS: usize = 3;
const OPERATIONS: usize = 400_000;
const SOUND: &str = "nothing panics under the lock";

#[repr(align(128))]
struct Padded<T>(T);

struct Sharded<L> {
    shards: Vec<Padded<L>>,
    hasher: FixedState,
}

type Table = HashTable<(u64, u64)>;

fn put(table: &mut Table, hasher: &FixedState, hash: u64, key: u64, value: u64) {
    if let Some(slot) = table.find_mut(hash, |entry| entry.0 == key) {
        slot.1 = value;
    } else {
        table.insert_unique(hash, (key, value), |entry| hasher.hash_one(entry.0));
    }
}

fn take(table: &mut Table, hash: u64, key: u64) {
    if let Ok(entry) = table.find_entry(hash, |entry| entry.0 == key) {
        entry.remove();
    }
}

impl<L> Sharded<L> {
    fn new(lock: impl Fn(Table) -> L) -> Self {
        let shards = (0..SHARDS).map(|_| Padded(lock(Table::new()))).collect();
        Self { shards, hasher: FixedState::with_seed(7) }
    }

    fn find(&self, key: u64) -> (u64, &L) {
        let hash = self.hasher.hash_one(key);
        // The table takes the lowest and the seven highest bits.
        (hash, &self.shards[(hash >> 40) as usize % SHARDS].0)
    }
}

impl Engine for Sharded<Mutex<Table>> {
    fn get(&self, key: u64) -> Option<u64> {
        let (hash, shard) = self.find(key);
        shard.lock().expect(SOUND).find(hash, |entry| entry.0 == key).map(|entry| entry.1)
    }

    fn set(&self, key: u64, value: u64) {
        let (hash, shard) = self.find(key);
        put(&mut shard.lock().expect(SOUND), &self.hasher, hash, key, value);
    }

    fn remove(&self, key: u64) {
        let (hash, shard) = self.find(key);
        take(&mut shard.lock().expect(SOUND), hash, key);
    }
}

impl Engine for Sharded<RwLock<Table>> {
    fn get(&self, key: u64) -> Option<u64> {
        let (hash, shard) = self.find(key);
        shard.read().expect(SOUND).find(hash, |entry| entry.0 == key).map(|entry| entry.1)
    }

    fn set(&self, key: u64, value: u64) {
        let (hash, shard) = self.find(key);
        put(&mut shard.write().expect(SOUND), &self.hasher, hash, key, value);
    }

    fn remove(&self, key: u64) {
        let (hash, shard) = self.find(key);
        take(&mut shard.write().expect(SOUND), hash, key);
    }
}

type DashMap = dashmap::DashMap<u64, u64, FixedState>;
type Papaya = papaya::HashMap<u64, u64, FixedState>;
type Scc = scc::HashMap<u64, u64, FixedState>;
type Locked = RwLock<std::collections::HashMap<u64, u64, FixedState>>;

impl Engine for DashMap {
    fn get(&self, key: u64) -> Option<u64> {
        DashMap::get(self, &key).map(|value| *value)
    }

    fn set(&self, key: u64, value: u64) {
        self.insert(key, value);
    }

    fn remove(&self, key: u64) {
        DashMap::remove(self, &key);
    }
}

impl Engine for Papaya {
    fn get(&self, key: u64) -> Option<u64> {
        self.pin().get(&key).copied()
    }

    fn set(&self, key: u64, value: u64) {
        self.pin().insert(key, value);
    }

    fn remove(&self, key: u64) {
        self.pin().remove(&key);
    }
}

impl Engine for Scc {
    fn get(&self, key: u64) -> Option<u64> {
        self.read_sync(&key, |_, value| *value)
    }

    fn set(&self, key: u64, value: u64) {
        self.upsert_sync(key, value);
    }

    fn remove(&self, key: u64) {
        self.remove_sync(&key);
    }
}

impl Engine for Locked {
    fn get(&self, key: u64) -> Option<u64> {
        self.read().expect(SOUND).get(&key).copied()
    }

    fn set(&self, key: u64, value: u64) {
        self.write().expect(SOUND).insert(key, value);
    }

    fn remove(&self, key: u64) {
        self.write().expect(SOUND).remove(&key);
    }
}

fn row<E: Engine>(make: impl Fn() -> E, mix: Mix, keys: u64, drawn: &[Vec<u64>]) -> f64 {
    let engine = make();
    if !mix.fresh_keys {
        for rank in 0..keys {
            engine.insert(rank, rank);
        }
        assert_eq!(engine.get(0), Some(0));
    }
    time(&engine, mix, drawn)
}

fn main() {
    let filters: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    println!(
        "{:<36}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}",
        "ns/op, best of rounds", "mutex", "rwlock", "dashmap", "papaya", "scc", "std+lock"
    );
    let state = || FixedState::with_seed(7);
    for mix in MIXES {
        for keys in [1_000_u64, 1_000_000] {
            for is_zipf in [false, true] {
                if mix.fresh_keys && is_zipf {
                    continue;
                }
                for threads in [1, 2] {
                    let shape = if is_zipf { "zipf" } else { "uniform" };
                    let name = format!("{} {keys} {shape} {threads}t", mix.name);
                    if !filters.iter().all(|filter| name.contains(filter.as_str())) {
                        continue;
                    }
                    let drawn: Vec<_> = (0..threads)
                        .map(|thread| {
                            draw_ranks(OPERATIONS / threads, keys, is_zipf, 5 + thread as u64)
                        })
                        .collect();
                    let mut best = [f64::MAX; 6];
                    for _ in 0..ROUNDS {
                        let times = [
                            row(|| Sharded::new(Mutex::new), mix, keys, &drawn),
                            row(|| Sharded::new(RwLock::new), mix, keys, &drawn),
                            row(|| DashMap::with_hasher(state()), mix, keys, &drawn),
                            row(|| Papaya::with_hasher(state()), mix, keys, &drawn),
                            row(|| Scc::with_hasher(state()), mix, keys, &drawn),
                            row(|| Locked::new(Default::default()), mix, keys, &drawn),
                        ];
                        for (best, time) in best.iter_mut().zip(times) {
                            *best = best.min(time);
                        }
                    }
                    print!("{name:<36}");
                    for time in best {
                        print!("{time:>9.1}");
                    }
                    println!();
                }
            }
        }
    }
}
