//! Which engine should hold the entries? Peers and two sharded designs on the same mixes, in one run.
//!
//! Keys and values are `u64`, so that nothing but the engine is timed. Every mix is seeded; each
//! engine sees the same operations. Rounds of the engines alternate, and the best of the rounds
//! counts, so that a neighbour's load falls on all alike. Arguments: substrings of row names, such
//! as `zipf` or `2t`; without any, all rows run.

use std::hash::BuildHasher;
use std::sync::{Barrier, Mutex, RwLock};
use std::thread;
use std::time::Instant;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

const SHARDS: usize = 64;
const ROUNDS: usize = 3;
const OPERATIONS: usize = 400_000;
const SOUND: &str = "nothing panics under the lock";

/// What a map has to do to be compared.
trait Engine: Sync {
    fn get(&self, key: u64) -> Option<u64>;
    fn set(&self, key: u64, value: u64);
    fn remove(&self, key: u64);
}

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

/// Percentages of reads and of removals; the rest writes.
#[derive(Clone, Copy)]
struct Mix {
    name: &'static str,
    reads: u64,
    removals: u64,
    fresh_keys: bool,
}

const MIXES: [Mix; 4] = [
    Mix { name: "read-heavy", reads: 98, removals: 1, fresh_keys: false },
    Mix { name: "update-heavy", reads: 50, removals: 0, fresh_keys: false },
    Mix { name: "churn", reads: 20, removals: 40, fresh_keys: false },
    Mix { name: "insert-only", reads: 0, removals: 0, fresh_keys: true },
];

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Keys drawn evenly, or with probability in proportion to 1/rank.
fn draw_keys(count: usize, keys: u64, is_zipf: bool, seed: u64) -> Vec<u64> {
    let mut random = Random(seed);
    // The inverse of the continuous form of the distribution, close enough for ranks.
    let ceiling = ((keys + 1) as f64).ln();
    let zipf = |unit: f64| ((unit * ceiling).exp() as u64 - 1).min(keys - 1);
    (0..count)
        .map(|_| if is_zipf { zipf(random.unit()) } else { random.next() % keys })
        .map(|rank| rank.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .collect()
}

/// Nanoseconds an operation, over all threads, from the first start to the last end.
fn time<E: Engine>(engine: &E, mix: Mix, keys: &[Vec<u64>]) -> f64 {
    let threads = keys.len();
    let start_line = Barrier::new(threads);
    let total: usize = keys.iter().map(Vec::len).sum();
    thread::scope(|scope| {
        let workers: Vec<_> = keys
            .iter()
            .enumerate()
            .map(|(thread, keys)| {
                let start_line = &start_line;
                scope.spawn(move || {
                    let mut random = Random(thread as u64 + 99);
                    let mut found = 0_u64;
                    start_line.wait();
                    let start = Instant::now();
                    for &key in keys {
                        let dice = random.next() % 100;
                        if dice < mix.reads {
                            found += engine.get(key).unwrap_or(0);
                        } else if dice < mix.reads + mix.removals {
                            engine.remove(key);
                        } else {
                            engine.set(key, dice);
                        }
                    }
                    std::hint::black_box(found);
                    (start, Instant::now())
                })
            })
            .collect();
        let spans: Vec<_> =
            workers.into_iter().map(|worker| worker.join().expect("a worker panicked")).collect();
        let start = spans.iter().map(|span| span.0).min().expect("there is a worker");
        let end = spans.iter().map(|span| span.1).max().expect("there is a worker");
        end.duration_since(start).as_nanos() as f64 / total as f64
    })
}

fn row<E: Engine>(make: impl Fn() -> E, mix: Mix, keys: u64, drawn: &[Vec<u64>]) -> f64 {
    let engine = make();
    if !mix.fresh_keys {
        for rank in 0..keys {
            engine.set(rank.wrapping_mul(0x9E37_79B9_7F4A_7C15), rank);
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
                            draw_keys(OPERATIONS / threads, keys, is_zipf, 5 + thread as u64)
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
