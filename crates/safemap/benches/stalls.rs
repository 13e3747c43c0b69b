//! How long does a snapshot hold writers up? One thread writes to a map of a million entries and
//! times each write; the other takes snapshots. Told are the times of writes with and without them, and
//! what a snapshot takes. Where others use the processors, both tails are theirs as well.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tophash_safemap::{SafeMap, Schema};

const KEYS: u64 = 1_000_000;
const FOR: Duration = Duration::from_secs(2);

fn main() {
    let texts: Vec<String> = (0..KEYS).map(|rank| format!("key.{rank:07}.number")).collect();
    let map = SafeMap::new(Schema::open());
    for text in &texts {
        map.set(text, 1).expect("any key will do");
    }
    for has_snapshots in [false, true, false, true] {
        let is_over = AtomicBool::new(false);
        let (mut times, snapshots) = std::thread::scope(|scope| {
            let snapshots = scope.spawn(|| {
                let mut took = Vec::new();
                while has_snapshots && !is_over.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    let snapshot = map.snapshot();
                    took.push(start.elapsed());
                    assert_eq!(snapshot.len() as u64, KEYS);
                }
                took
            });
            let times = write(&map, &texts);
            is_over.store(true, Ordering::Relaxed);
            (times, snapshots.join().expect("it does not panic"))
        });
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        println!(
            "{} snapshots of {:?} at most; {} writes: half {:?}, 99 % {:?}, 99.9 % {:?}, 99.999 % {:?}, all {:?}",
            snapshots.len(),
            snapshots.iter().max().copied().unwrap_or_default(),
            times.len(),
            at(0.5),
            at(0.99),
            at(0.999),
            at(0.999_99),
            at(1.0),
        );
    }
}

fn write(map: &SafeMap, texts: &[String]) -> Vec<Duration> {
    let mut times = Vec::with_capacity(20_000_000);
    let (start, mut state) = (Instant::now(), 1_u64);
    while start.elapsed() < FOR && times.len() < times.capacity() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let text = &texts[(state >> 33) as usize % texts.len()];
        let before = Instant::now();
        map.set(text, 2).expect("any key will do");
        times.push(before.elapsed());
    }
    times
}
