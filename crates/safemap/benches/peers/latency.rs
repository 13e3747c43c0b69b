//! Times of single operations: one in sixteen, each between two readings of the clock.

use std::sync::Mutex;
use std::time::Instant;

use crate::workload::{Engine, Mix, Random, together};

/// One in so many operations is timed, so that the clock itself disturbs the rest little.
const SAMPLED: usize = 16;

/// Nanoseconds that half, 99 % and 99.9 % of the operations take at most, the clock's own included.
/// Where keys are fresh, each of the maps is filled in turn.
pub(crate) fn percentiles<E: Engine>(maps: &[E], mix: Mix, keys: &[Vec<u64>]) -> [u64; 3] {
    let all = Mutex::new(Vec::new());
    together(keys, |thread, keys| {
        let mut random = Random(thread as u64 + 99);
        let mut times = Vec::with_capacity(maps.len() * keys.len() / SAMPLED + 1);
        let mut found = 0_u64;
        let all_keys = maps.iter().flat_map(|engine| keys.iter().map(move |&key| (engine, key)));
        for (turn, (engine, key)) in all_keys.enumerate() {
            let dice = random.next() % 100;
            let start = turn.is_multiple_of(SAMPLED).then(Instant::now);
            if dice < mix.reads {
                found = found.wrapping_add(engine.get(key).unwrap_or(0));
            } else if dice < mix.reads + mix.removals {
                engine.remove(key);
            } else if mix.fresh_keys {
                engine.insert(key, dice);
            } else {
                engine.set(key, dice);
            }
            if let Some(start) = start {
                times.push(start.elapsed().as_nanos() as u64);
            }
        }
        std::hint::black_box(found);
        all.lock().expect("no thread panics").append(&mut times);
    });
    ranks(all.into_inner().expect("no thread panics"))
}

/// The same of nothing at all: what the clock costs, and how fine it is.
pub(crate) fn of_the_clock() -> [u64; 3] {
    let times = (0..100_000).map(|_| Instant::now().elapsed().as_nanos() as u64);
    ranks(times.collect())
}

fn ranks(mut times: Vec<u64>) -> [u64; 3] {
    times.sort_unstable();
    let at = |thousandths: usize| times[(times.len() * thousandths / 1000).min(times.len() - 1)];
    [at(500), at(990), at(999)]
}
