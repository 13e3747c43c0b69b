//! How long operations take: one in sixty-four of each thread's, drawn at random, in buckets of powers
//! of two. Counted off, those of a loop that takes turns would always be of the same sort.
//!
//! Nothing is timed until metrics ask for it; until then an operation pays one load.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// One in two to this power of operations is timed.
const SAMPLED: u32 = 6;

/// Buckets end at 2^0 to 2^39 nanoseconds; the last holds all beyond.
const BUCKETS: usize = 40;

#[derive(Debug)]
pub(crate) struct Latency {
    is_on: AtomicBool,
    reads: Histogram,
    writes: Histogram,
}

#[derive(Debug)]
struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    nanoseconds: AtomicU64,
}

impl Default for Latency {
    fn default() -> Self {
        let histogram = || Histogram {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            nanoseconds: AtomicU64::new(0),
        };
        Self { is_on: AtomicBool::new(false), reads: histogram(), writes: histogram() }
    }
}

/// Whether an operation reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Read,
    Write,
}

thread_local! {
    /// The state of a linear congruential generator, of which the highest bits are the best.
    static DRAW: Cell<u32> = const { Cell::new(0) };
}

/// Draws whether an operation of this thread is timed.
fn is_drawn() -> bool {
    let draw = DRAW.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    DRAW.set(draw);
    draw >> (u32::BITS - SAMPLED) == 0
}

impl Latency {
    #[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "metrics alone ask for it"))]
    pub(crate) fn turn_on(&self) {
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// Whether the operation that begins is one that is timed.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.is_on.load(Ordering::Relaxed) && is_drawn()
    }

    /// The start of an operation, if it is one that is timed.
    pub(crate) fn start(&self) -> Option<Instant> {
        self.is_due().then(Instant::now)
    }

    /// The end of an operation.
    pub(crate) fn end(&self, sort: Sort, start: Option<Instant>) {
        let Some(start) = start else { return };
        let nanoseconds = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.histogram(sort).note(nanoseconds);
    }

    fn histogram(&self, sort: Sort) -> &Histogram {
        match sort {
            Sort::Read => &self.reads,
            Sort::Write => &self.writes,
        }
    }

    /// The sum in seconds, the count, and the upper bound in seconds and count of each bucket.
    #[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "metrics alone ask for it"))]
    pub(crate) fn sums(&self, sort: Sort) -> (f64, u64, Vec<(f64, u64)>) {
        let histogram = self.histogram(sort);
        let counts: Vec<u64> =
            histogram.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let buckets = counts.iter().enumerate().map(|(power, count)| {
            let is_last = power == BUCKETS - 1;
            let bound = if is_last { f64::INFINITY } else { (1_u64 << power) as f64 * 1e-9 };
            (bound, *count)
        });
        let sum = histogram.nanoseconds.load(Ordering::Relaxed) as f64 * 1e-9;
        (sum, counts.iter().sum(), buckets.collect())
    }
}

impl Histogram {
    fn note(&self, nanoseconds: u64) {
        let power = nanoseconds.max(1).next_power_of_two().trailing_zeros() as usize;
        self.buckets[power.min(BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

#[cfg(all(test, feature = "metrics"))]
mod tests {
    use super::*;

    #[test]
    fn one_in_sixty_four_is_timed_and_none_until_asked_for() {
        let latency = Latency::default();
        let timed = || (0..6400).filter(|_| latency.start().is_some()).count();
        assert_eq!(timed(), 0);
        latency.turn_on();
        // The draws of a thread are always the same; these are well within what chance would give.
        let count = timed();
        assert!((60..=140).contains(&count), "{count} of 6400");
    }

    #[test]
    fn operations_that_take_turns_are_all_timed() {
        let latency = Latency::default();
        latency.turn_on();
        for sorts in 2..=64 {
            let mut timed = vec![0; sorts];
            for operation in 0..64_000 * sorts {
                timed[operation % sorts] += usize::from(latency.start().is_some());
            }
            assert!(timed.iter().all(|timed| (600..=1400).contains(timed)), "{timed:?}");
        }
    }

    #[test]
    fn a_time_lies_in_the_bucket_that_ends_at_or_above_it() {
        let latency = Latency::default();
        for nanoseconds in [0, 1, 2, 3, 4, 1024, 1025, u64::MAX / 4] {
            latency.writes.note(nanoseconds);
        }
        let (_, count, buckets) = latency.sums(Sort::Write);
        let at = |power: usize| buckets[power].1;
        assert_eq!(count, 8);
        assert_eq!((at(0), at(1), at(2), at(10), at(11), at(39)), (2, 1, 2, 1, 1, 1));
    }
}
