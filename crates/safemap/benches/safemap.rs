//! What does a SafeMap cost beside maps that do less? Peers on the same mixes, in one run.
//!
//! Keys are text of 16 bytes, values integers. `raw` is a SafeMap without schema, through typed handles;
//! `by text` the same by text; `full` has a schema of 20 patterns, a breaker, and metrics that time
//! operations, by text. Peers hold `String` keys. Every map sees the same operations; rounds alternate,
//! and the best of them counts. Then bytes an entry, by an allocator that counts, before and after 99 %
//! of the entries are removed. Arguments: substrings of row names.

mod workload;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use foldhash::fast::FixedState;
use tophash_safemap::{Breaker, Key, SafeMap, Schema, Type};
use workload::{Engine, MIXES, Mix, draw_ranks, time};

const ROUNDS: usize = 3;
const OPERATIONS: usize = 400_000;
const SOUND: &str = "nothing panics under the lock, and nothing is refused";

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "an allocator can't be written without")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Raw<'k>(SafeMap, &'k [Key<i64>]);

impl Engine for Raw<'_> {
    fn get(&self, key: u64) -> Option<u64> {
        self.0.get(&self.1[key as usize]).expect(SOUND).map(|value| value as u64)
    }

    fn set(&self, key: u64, value: u64) {
        self.0.set(&self.1[key as usize], value as i64).expect(SOUND);
    }

    fn remove(&self, key: u64) {
        self.0.remove(&self.1[key as usize]).expect(SOUND);
    }
}

struct ByText<'k>(SafeMap, &'k [String]);

impl Engine for ByText<'_> {
    fn get(&self, key: u64) -> Option<u64> {
        let value = self.0.get(&self.1[key as usize]).expect(SOUND);
        value.and_then(|value| value.as_integer()).map(|value| value as u64)
    }

    fn set(&self, key: u64, value: u64) {
        self.0.set(&self.1[key as usize], value as i64).expect(SOUND);
    }

    fn remove(&self, key: u64) {
        self.0.remove(&self.1[key as usize]).expect(SOUND);
    }
}

struct Peer<'k, M>(M, &'k [String]);

type DashMap = dashmap::DashMap<String, u64, FixedState>;
type Papaya = papaya::HashMap<String, u64, FixedState>;
type Scc = scc::HashMap<String, u64, FixedState>;
type Locked = RwLock<std::collections::HashMap<String, u64, FixedState>>;

impl Engine for Peer<'_, DashMap> {
    fn get(&self, key: u64) -> Option<u64> {
        self.0.get(self.1[key as usize].as_str()).map(|value| *value)
    }

    fn set(&self, key: u64, value: u64) {
        let key = &self.1[key as usize];
        // As a SafeMap, without a copy of the key where the entry is there.
        if let Some(mut held) = self.0.get_mut(key.as_str()) {
            *held = value;
            return;
        }
        self.0.insert(key.clone(), value);
    }

    fn remove(&self, key: u64) {
        self.0.remove(self.1[key as usize].as_str());
    }
}

impl Engine for Peer<'_, Papaya> {
    fn get(&self, key: u64) -> Option<u64> {
        self.0.pin().get(self.1[key as usize].as_str()).copied()
    }

    fn set(&self, key: u64, value: u64) {
        self.0.pin().insert(self.1[key as usize].clone(), value);
    }

    fn remove(&self, key: u64) {
        self.0.pin().remove(self.1[key as usize].as_str());
    }
}

impl Engine for Peer<'_, Scc> {
    fn get(&self, key: u64) -> Option<u64> {
        self.0.read_sync(self.1[key as usize].as_str(), |_, value| *value)
    }

    fn set(&self, key: u64, value: u64) {
        let key = &self.1[key as usize];
        if self.0.update_sync(key.as_str(), |_, held| *held = value).is_none() {
            self.0.upsert_sync(key.clone(), value);
        }
    }

    fn remove(&self, key: u64) {
        self.0.remove_sync(self.1[key as usize].as_str());
    }
}

impl Engine for Peer<'_, Locked> {
    fn get(&self, key: u64) -> Option<u64> {
        self.0.read().expect(SOUND).get(self.1[key as usize].as_str()).copied()
    }

    fn set(&self, key: u64, value: u64) {
        let key = &self.1[key as usize];
        let mut map = self.0.write().expect(SOUND);
        if let Some(held) = map.get_mut(key.as_str()) {
            *held = value;
        } else {
            map.insert(key.clone(), value);
        }
    }

    fn remove(&self, key: u64) {
        self.0.write().expect(SOUND).remove(self.1[key as usize].as_str());
    }
}

fn state() -> FixedState {
    FixedState::with_seed(7)
}

/// A map with all that can be turned on for writes that are right.
fn full() -> SafeMap {
    let mut schema = Schema::builder().key("key.*.number", Type::integer().range(0..));
    for other in 0..19 {
        schema = schema.key(format!("other.{other}.*"), Type::string());
    }
    let schema = schema.build().expect(SOUND);
    let map = SafeMap::builder(schema).breaker(Breaker::default()).build();
    #[cfg(feature = "metrics")]
    tophash_safemap::MapMetrics::new().add(&map);
    map
}

fn row<E: Engine>(engine: E, mix: Mix, keys: u64, drawn: &[Vec<u64>]) -> f64 {
    if !mix.fresh_keys {
        for rank in 0..keys {
            engine.set(rank, rank);
        }
        assert_eq!(engine.get(keys - 1), Some(keys - 1));
    }
    time(&engine, mix, drawn)
}

/// Bytes an entry with all entries, and bytes that each of them left behind when 99 % are gone.
fn memory<E: Engine>(make: impl Fn() -> E, keys: u64) -> (f64, f64) {
    let before = HELD.load(Ordering::Relaxed);
    let engine = make();
    for rank in 0..keys {
        engine.set(rank, rank);
    }
    let full = HELD.load(Ordering::Relaxed).saturating_sub(before);
    for rank in 0..keys / 100 * 99 {
        engine.remove(rank);
    }
    let rest = HELD.load(Ordering::Relaxed).saturating_sub(before);
    (full as f64 / keys as f64, rest as f64 / keys as f64)
}

fn main() {
    let filters: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let largest = 1_000_000;
    let texts: Vec<String> = (0..largest).map(|rank| format!("key.{rank:07}.number")).collect();
    let open = SafeMap::new(Schema::open());
    let handles: Vec<Key<i64>> = texts.iter().map(|text| open.key(text).expect(SOUND)).collect();
    // Maps that share the schema share the handles.
    let raw = || Raw(SafeMap::new(open.schema().clone()), &handles);
    let by_text = || ByText(SafeMap::new(Schema::open()), &texts);
    let with_all = || ByText(full(), &texts);
    let dash = || Peer(DashMap::with_hasher(state()), &texts);
    let papaya = || Peer(Papaya::with_hasher(state()), &texts);
    let scc = || Peer(Scc::with_hasher(state()), &texts);
    let locked = || Peer(Locked::new(std::collections::HashMap::with_hasher(state())), &texts);
    println!(
        "{:<36}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}",
        "ns/op, best of rounds", "raw", "by text", "full", "dashmap", "papaya", "scc", "std+lock"
    );
    for mix in MIXES {
        for keys in [1_000_u64, 1_000_000] {
            for is_zipf in [false, true] {
                for threads in [1, 2] {
                    let shape = if is_zipf { "zipf" } else { "uniform" };
                    let name = format!("{} {keys} {shape} {threads}t", mix.name);
                    if (mix.fresh_keys && is_zipf)
                        || !filters.iter().all(|filter| name.contains(filter.as_str()))
                    {
                        continue;
                    }
                    let draw =
                        |thread| draw_ranks(OPERATIONS / threads, keys, is_zipf, 5 + thread as u64);
                    let drawn: Vec<_> = (0..threads).map(draw).collect();
                    let mut best = [f64::MAX; 7];
                    for _ in 0..ROUNDS {
                        let times = [
                            row(raw(), mix, keys, &drawn),
                            row(by_text(), mix, keys, &drawn),
                            row(with_all(), mix, keys, &drawn),
                            row(dash(), mix, keys, &drawn),
                            row(papaya(), mix, keys, &drawn),
                            row(scc(), mix, keys, &drawn),
                            row(locked(), mix, keys, &drawn),
                        ];
                        for (best, time) in best.iter_mut().zip(times) {
                            *best = best.min(time);
                        }
                    }
                    print!("{name:<36}");
                    best.iter().for_each(|time| print!("{time:>9.1}"));
                    println!();
                }
            }
        }
    }
    if filters.is_empty() || filters.iter().any(|filter| filter == "memory") {
        let rows = [
            ("safemap", memory(by_text, largest)),
            ("dashmap", memory(dash, largest)),
            ("papaya", memory(papaya, largest)),
            ("scc", memory(scc, largest)),
            ("std+lock", memory(locked, largest)),
        ];
        println!("\n{:<12}{:>16}{:>24}", "bytes/entry", "1000000 held", "once 99 % are gone");
        for (name, (full, rest)) in rows {
            println!("{name:<12}{full:>16.1}{rest:>24.1}");
        }
    }
}
