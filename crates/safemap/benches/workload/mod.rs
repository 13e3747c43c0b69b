//! The work that maps are compared by: seeded, and the same for each.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

/// What a map has to do to be compared.
pub(crate) trait Engine: Sync {
    fn get(&self, key: u64) -> Option<u64>;
    fn set(&self, key: u64, value: u64);
    fn remove(&self, key: u64);

    /// Writes a key that is known not to be there.
    fn insert(&self, key: u64, value: u64) {
        self.set(key, value);
    }
}

/// Percentages of reads and of removals; the rest writes.
#[derive(Clone, Copy)]
pub(crate) struct Mix {
    pub(crate) name: &'static str,
    pub(crate) reads: u64,
    pub(crate) removals: u64,
    pub(crate) fresh_keys: bool,
}

pub(crate) const MIXES: [Mix; 4] = [
    Mix { name: "read-heavy", reads: 98, removals: 1, fresh_keys: false },
    Mix { name: "update-heavy", reads: 50, removals: 0, fresh_keys: false },
    Mix { name: "churn", reads: 20, removals: 40, fresh_keys: false },
    Mix { name: "insert-only", reads: 0, removals: 0, fresh_keys: true },
];

pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
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

/// Ranks of keys drawn evenly, or with probability in proportion to 1/rank.
pub(crate) fn draw_ranks(count: usize, keys: u64, is_zipf: bool, seed: u64) -> Vec<u64> {
    let mut random = Random(seed);
    // The inverse of the continuous form of the distribution, close enough for ranks.
    let ceiling = ((keys + 1) as f64).ln();
    let zipf = |unit: f64| ((unit * ceiling).exp() as u64 - 1).min(keys - 1);
    (0..count).map(|_| if is_zipf { zipf(random.unit()) } else { random.next() % keys }).collect()
}

/// One operation of a mix.
#[inline]
fn step<E: Engine>(engine: &E, mix: Mix, key: u64, dice: u64) -> u64 {
    if dice < mix.reads {
        return engine.get(key).unwrap_or(0);
    }
    if dice < mix.reads + mix.removals {
        engine.remove(key);
    } else {
        engine.set(key, dice);
    }
    0
}

/// Nanoseconds an operation, over all threads, from the first start to the last end.
pub(crate) fn time<E: Engine>(engine: &E, mix: Mix, keys: &[Vec<u64>]) -> f64 {
    together(keys, |thread, keys| {
        let mut random = Random(thread as u64 + 99);
        let mut found = 0_u64;
        for &key in keys {
            found = found.wrapping_add(step(engine, mix, key, random.next() % 100));
        }
        std::hint::black_box(found);
    })
}

/// As [`time`], with an `act` for what each thread does with its keys.
pub(crate) fn together(keys: &[Vec<u64>], act: impl Fn(usize, &[u64]) + Sync) -> f64 {
    let start_line = Barrier::new(keys.len());
    let total: usize = keys.iter().map(Vec::len).sum();
    thread::scope(|scope| {
        let workers: Vec<_> = keys
            .iter()
            .enumerate()
            .map(|(thread, keys)| {
                let (start_line, act) = (&start_line, &act);
                scope.spawn(move || {
                    start_line.wait();
                    let start = Instant::now();
                    act(thread, keys);
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
