//! What does a SafeMap cost beside maps that do less? The Rust side of `cargo xtask bench-safemap`,
//! which has Go's maps do the same and takes turns.
//!
//! Keys are text of 18 bytes, values integers. `raw` is a SafeMap without schema, bounds, observers
//! and metrics, by text; `handles` the same through typed handles; `full` has a schema of 20 patterns,
//! a breaker, and metrics that time operations, by text. Every map sees the same operations.
//!
//! The argument is the number of keys. Then lines come in, and one goes out for each:
//!
//! ```text
//! maps                                      their names
//! clock                                     percentiles of the clock
//! fill MAP                                  -
//! rate MAP MIX uniform|zipf THREADS OPS     nanoseconds an operation
//! latency MAP MIX uniform|zipf THREADS OPS  nanoseconds: half, 99 %, 99.9 % of operations
//! memory MAP                                bytes an entry, and that remain of it without 99 %
//! drop MAP                                  -
//! ```
//!
//! Without arguments, a table of all mixes on a thousand keys is printed.

mod peers;
mod workload;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::HashMap;
use std::io::BufRead as _;

use peers::latency;
use peers::{ByHandle, ByText, DashMap, Locked, Papaya, Peer, Scc, state};
use tophash_safemap::{Key, SafeMap, Schema};
use workload::{Engine, MIXES, Mix, draw_ranks, time, together};

struct Counting;

thread_local! {
    /// Of the thread alone, so that threads that allocate don't wait for each other here.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator can't be written without")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.set(HELD.get().wrapping_add(layout.size()));
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.set(HELD.get().wrapping_sub(layout.size()));
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NAMES: [&str; 8] =
    ["raw", "handles", "full", "dashmap", "papaya", "scc", "moka", "RwLock<HashMap>"];

/// What is asked of a map.
#[derive(Clone, Copy)]
struct Case<'a> {
    mix: Mix,
    is_zipf: bool,
    threads: usize,
    operations: usize,
    /// All keys in an order that is not that of their ranks.
    order: &'a [u64],
}

impl Case<'_> {
    fn drawn(&self) -> Vec<Vec<u64>> {
        if self.mix.fresh_keys {
            let part = self.order.len().div_ceil(self.threads);
            return self.order.chunks(part).map(<[u64]>::to_vec).collect();
        }
        let (count, keys) = (self.operations / self.threads, self.order.len() as u64);
        let draw = |thread| draw_ranks(count, keys, self.is_zipf, 5 + thread as u64);
        (0..self.threads).map(draw).collect()
    }

    /// How many maps are filled, where a map is filled.
    fn copies(&self) -> usize {
        self.operations.div_ceil(self.order.len())
    }
}

/// A map of any type, and how it is made.
trait Contender {
    fn fill(&mut self, keys: u64);
    fn rate(&self, case: Case<'_>) -> f64;
    fn latency(&self, case: Case<'_>) -> [u64; 3];
    fn memory(&self, keys: u64) -> (f64, f64);
    fn empty(&mut self);
}

struct Subject<E, F> {
    make: F,
    held: Option<E>,
}

fn fill<E: Engine>(engine: &E, keys: u64) {
    for rank in 0..keys {
        engine.set(rank, rank);
    }
    assert!(engine.get(keys - 1).is_some());
}

impl<E: Engine, F: Fn() -> E> Contender for Subject<E, F> {
    fn fill(&mut self, keys: u64) {
        fill(self.held.get_or_insert_with(&self.make), keys);
    }

    fn rate(&self, case: Case<'_>) -> f64 {
        let drawn = case.drawn();
        if let (Some(engine), false) = (&self.held, case.mix.fresh_keys) {
            return time(engine, case.mix, &drawn);
        }
        let engines: Vec<E> = (0..case.copies()).map(|_| (self.make)()).collect();
        let time = together(&drawn, |_, keys| {
            for engine in &engines {
                keys.iter().for_each(|&key| engine.insert(key, key));
            }
        });
        time / engines.len() as f64
    }

    fn latency(&self, case: Case<'_>) -> [u64; 3] {
        let drawn = case.drawn();
        if let (Some(engine), false) = (&self.held, case.mix.fresh_keys) {
            return latency::percentiles(std::slice::from_ref(engine), case.mix, &drawn);
        }
        let engines: Vec<E> = (0..case.copies()).map(|_| (self.make)()).collect();
        latency::percentiles(&engines, case.mix, &drawn)
    }

    fn memory(&self, keys: u64) -> (f64, f64) {
        let before = HELD.get();
        let engine = (self.make)();
        fill(&engine, keys);
        let full = HELD.get().wrapping_sub(before);
        for rank in 0..keys / 100 * 99 {
            engine.remove(rank);
        }
        let rest = HELD.get().wrapping_sub(before);
        (full as f64 / keys as f64, rest as f64 / keys as f64)
    }

    fn empty(&mut self) {
        self.held = None;
    }
}

fn contender<'k, E: Engine + 'k>(make: impl Fn() -> E + 'k) -> Box<dyn Contender + 'k> {
    Box::new(Subject { make, held: None })
}

/// Answers a line, or says nothing where it can't be read.
fn answer(
    maps: &mut HashMap<&str, Box<dyn Contender + '_>>,
    order: &[u64],
    line: &str,
) -> Option<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let keys = order.len() as u64;
    let shown = |[half, most, nearly_all]: [u64; 3]| format!("{half} {most} {nearly_all}");
    match words[..] {
        ["maps"] => return Some(NAMES.join(" ")),
        ["clock"] => return Some(shown(latency::of_the_clock())),
        _ => {}
    }
    let map = maps.get_mut(*words.get(1)?)?;
    let mut out = String::new();
    match words[..] {
        ["fill", _] => map.fill(keys),
        ["drop", _] => map.empty(),
        ["memory", _] => {
            let (full, rest) = map.memory(keys);
            out = format!("{full:.1} {rest:.1}");
        }
        [what, _, mix, shape, threads, operations] => {
            let case = Case {
                mix: *MIXES.iter().find(|known| known.name == mix)?,
                is_zipf: shape == "zipf",
                threads: threads.parse().ok()?,
                operations: operations.parse().ok()?,
                order,
            };
            out = match what {
                "rate" => format!("{:.2}", map.rate(case)),
                "latency" => shown(map.latency(case)),
                _ => return None,
            };
        }
        _ => return None,
    }
    Some(out)
}

fn table(maps: &mut HashMap<&str, Box<dyn Contender + '_>>, order: &[u64]) {
    println!("nanoseconds an operation, one thread, best of five");
    NAMES.iter().for_each(|name| print!("{name:>16}"));
    for mix in MIXES {
        println!();
        for name in NAMES {
            let _ = answer(maps, order, &format!("fill {name}"));
        }
        let mut best = [f64::MAX; NAMES.len()];
        for _ in 0..5 {
            for (best, name) in best.iter_mut().zip(NAMES) {
                let line = format!("rate {name} {} uniform 1 100000", mix.name);
                let time = answer(maps, order, &line).and_then(|time| time.parse().ok());
                *best = best.min(time.unwrap_or(f64::MAX));
            }
        }
        best.iter().for_each(|time| print!("{time:>16.1}"));
        print!("  {}", mix.name);
    }
    println!();
}

fn main() {
    let argument = std::env::args().skip(1).find_map(|argument| argument.parse::<u64>().ok());
    let keys = argument.unwrap_or(1000);
    let texts: Vec<String> = (0..keys).map(|rank| format!("key.{rank:07}.number")).collect();
    let open = Schema::open();
    let handles: Vec<Key<i64>> =
        texts.iter().map(|text| open.key(text).expect("any key will do")).collect();
    let twenty = peers::schema_of_twenty();
    let mut order: Vec<u64> = (0..keys).collect();
    let mut random = workload::Random(77);
    for at in (1..order.len()).rev() {
        order.swap(at, (random.next() % (at as u64 + 1)) as usize);
    }
    let locked = || Locked::new(HashMap::with_hasher(state()));
    let mut maps: HashMap<&str, Box<dyn Contender + '_>> = HashMap::from([
        ("raw", contender(|| ByText(SafeMap::new(open.clone()), &texts))),
        ("handles", contender(|| ByHandle(SafeMap::new(open.clone()), &handles))),
        ("full", contender(|| ByText(peers::full(&twenty), &texts))),
        ("dashmap", contender(|| Peer(DashMap::with_hasher(state()), &texts))),
        ("papaya", contender(|| Peer(Papaya::with_hasher(state()), &texts))),
        ("scc", contender(|| Peer(Scc::with_hasher(state()), &texts))),
        (
            "moka",
            contender(|| Peer(moka::sync::Cache::builder().build_with_hasher(state()), &texts)),
        ),
        ("RwLock<HashMap>", contender(|| Peer(locked(), &texts))),
    ]);
    if argument.is_none() {
        return table(&mut maps, &order);
    }
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("lines are text");
        let answer = answer(&mut maps, &order, &line).expect("the other end knows what it may ask");
        println!("{answer}");
    }
}
