//! The breaker: when too many writes fail for too long, the map is for reading only for a while.
//!
//! Time is cut into slices. A slice is bad when the share of failed writes in it is above the
//! threshold; when so many complete slices in a row are bad, and hold enough writes to mean something,
//! the breaker opens. Open, it refuses writes for the time of its rest; then it is half open and lets a
//! few writes try: one failure opens it again, and when all have succeeded it closes.
//!
//! Successful writes cost one load. They are counted by the shards anyway, and only a failure looks at
//! the sum, once a millisecond at most: the successes since the last look are spread evenly over the
//! slices that went by. So the counts of a slice are exact, to the millisecond, when there are failures
//! at both of its ends, and near to it otherwise.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::refusals::Hint;

/// When a map's breaker opens, and how it closes again.
///
/// ```
/// use std::time::Duration;
/// use tophash_safemap::Breaker;
///
/// // More than 15 % for five seconds, with at least 20 writes in them: the default.
/// let breaker = Breaker::default();
/// let strict = Breaker::default().threshold(0.01).bad_slices(2).rest(Duration::from_secs(60));
/// # let _ = (breaker, strict);
/// ```
#[derive(Clone, Debug)]
pub struct Breaker {
    threshold: f64,
    slice: Duration,
    bad_slices: usize,
    floor: u64,
    rest: Duration,
    probes: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            threshold: 0.15,
            slice: Duration::from_secs(1),
            bad_slices: 5,
            floor: 20,
            rest: Duration::from_secs(10),
            probes: 5,
        }
    }
}

impl Breaker {
    /// The share of failed writes above which a slice is bad; 0.15 unless said.
    ///
    /// # Panics
    ///
    /// When the share is not from 0 to below 1: no share is above 1, so that the breaker would never
    /// open. It is a share, not a percentage: 15 % are `0.15`.
    #[must_use]
    pub fn threshold(mut self, share: f64) -> Self {
        assert!((0.0..1.0).contains(&share), "a threshold is from 0 to below 1, not {share}");
        self.threshold = share;
        self
    }

    /// How long a slice is; a second unless said, and a millisecond at least.
    #[must_use]
    pub fn slice(mut self, slice: Duration) -> Self {
        self.slice = slice.max(Duration::from_millis(1));
        self
    }

    /// How many slices in a row must be bad; five unless said, and one at least.
    #[must_use]
    pub fn bad_slices(mut self, slices: usize) -> Self {
        self.bad_slices = slices.clamp(1, 1000);
        self
    }

    /// How many writes there must be in those slices; 20 unless said.
    #[must_use]
    pub fn floor(mut self, writes: u64) -> Self {
        self.floor = writes;
        self
    }

    /// How long writes must fail before it opens.
    pub(crate) fn span(&self) -> Duration {
        self.slice.saturating_mul(u32::try_from(self.bad_slices).unwrap_or(u32::MAX))
    }

    /// How long no write is let through once it is open; ten seconds unless said.
    #[must_use]
    pub fn rest(mut self, rest: Duration) -> Self {
        self.rest = rest;
        self
    }

    /// How many writes must succeed before it closes; five unless said, and one at least.
    #[must_use]
    pub fn probes(mut self, writes: u32) -> Self {
        self.probes = writes.max(1);
        self
    }
}

/// What a breaker lets through.
///
/// ```
/// use tophash_safemap::{BreakerState, SafeMap, Schema};
///
/// assert_eq!(SafeMap::new(Schema::open()).breaker_state(), BreakerState::Closed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BreakerState {
    /// Every write.
    Closed,
    /// A few writes, to see whether they succeed.
    HalfOpen,
    /// No write.
    Open,
}

const CLOSED: u8 = 0;
const HALF_OPEN: u8 = 1;
const OPEN: u8 = 2;

#[derive(Debug)]
pub(crate) struct Circuit {
    config: Breaker,
    state: AtomicU8,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    slices: VecDeque<Slice>,
    /// The number of the newest slice.
    current: u64,
    /// All successes at the last look, and when that was.
    successes: u64,
    looked: Option<u64>,
    /// When it opened.
    opened: u64,
    /// The number of the round of probes; those of an earlier one decide nothing.
    round: u64,
    probes_started: u32,
    probes_done: u32,
    /// When the first of the probes was let through.
    probing_since: u64,
    times_opened: u64,
    hint: Hint,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    succeeded: u64,
    failed: u64,
}

/// What a write is to the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// One of many.
    Ordinary,
    /// One by which it is decided whether to close, of the round with this number.
    Probe(u64),
}

impl Circuit {
    /// A closed breaker.
    pub(crate) fn new(config: Breaker, now: u64) -> Self {
        let current = now / millis(config.slice).max(1);
        let inner = Inner {
            slices: VecDeque::from([Slice::default()]),
            current,
            successes: 0,
            looked: None,
            opened: 0,
            round: 0,
            probes_started: 0,
            probes_done: 0,
            probing_since: 0,
            times_opened: 0,
            hint: Hint::default(),
        };
        Self { config, state: AtomicU8::new(CLOSED), inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it lets every write through; one load.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) == CLOSED
    }

    pub(crate) fn state(&self) -> BreakerState {
        match self.state.load(Ordering::Acquire) {
            CLOSED => BreakerState::Closed,
            HALF_OPEN => BreakerState::HalfOpen,
            _ => BreakerState::Open,
        }
    }

    #[cfg_attr(
        not(any(feature = "metrics", test)),
        expect(dead_code, reason = "metrics ask for it")
    )]
    pub(crate) fn times_opened(&self) -> u64 {
        self.lock().times_opened
    }

    /// Why it is not closed, without counts.
    #[cfg(feature = "metrics")]
    pub(crate) fn cause(&self) -> Option<String> {
        let inner = self.lock();
        (self.state() != BreakerState::Closed).then(|| inner.hint.cause.clone())
    }

    /// Lets a write through, or says for how long none is, and why. `now` is asked only when it
    /// matters.
    pub(crate) fn admit(&self, now: impl FnOnce() -> u64) -> Result<Pass, (Duration, String)> {
        if self.state.load(Ordering::Acquire) == CLOSED {
            return Ok(Pass::Ordinary);
        }
        let now = now();
        let mut inner = self.lock();
        let rest = millis(self.config.rest);
        match self.state.load(Ordering::Acquire) {
            CLOSED => return Ok(Pass::Ordinary),
            OPEN => {
                let left = (inner.opened.saturating_add(rest)).saturating_sub(now);
                if left > 0 {
                    return Err((Duration::from_millis(left), inner.hint.text.clone()));
                }
                self.state.store(HALF_OPEN, Ordering::Release);
                inner.begin_round();
            }
            _ => {}
        }
        // Probes whose writers have vanished are not waited for longer than a rest.
        if inner.probes_started >= self.config.probes
            && now >= inner.probing_since.saturating_add(rest.max(1))
        {
            inner.begin_round();
        }
        if inner.probes_started >= self.config.probes {
            return Err((Duration::ZERO, inner.hint.text.clone()));
        }
        if inner.probes_started == 0 {
            inner.probing_since = now;
        }
        inner.probes_started += 1;
        Ok(Pass::Probe(inner.round))
    }

    /// Notes a write that was done; of ordinary ones nothing has to be noted. Says whether the
    /// breaker closed on it.
    pub(crate) fn succeeded(
        &self,
        pass: Pass,
        now: impl FnOnce() -> u64,
        successes: impl FnOnce() -> u64,
    ) -> bool {
        let Pass::Probe(round) = pass else { return false };
        let mut inner = self.lock();
        if self.state.load(Ordering::Acquire) != HALF_OPEN || round != inner.round {
            return false;
        }
        inner.probes_done += 1;
        let closes = inner.probes_done >= self.config.probes;
        if closes {
            self.state.store(CLOSED, Ordering::Release);
            inner.forget(self.number(now()), successes());
        }
        closes
    }

    /// A probe that came to nothing, neither done nor failed: another may try.
    pub(crate) fn withdrawn(&self, pass: Pass) {
        if let Pass::Probe(round) = pass {
            let mut inner = self.lock();
            if round == inner.round {
                inner.probes_started = inner.probes_started.saturating_sub(1);
            }
        }
    }

    /// Notes a write that failed. `successes` tells the number of all writes done so far, and is asked
    /// once a millisecond at most. Says with what hint it opened, if it did; the hint is asked for
    /// only then.
    pub(crate) fn failed(
        &self,
        pass: Pass,
        now: u64,
        successes: impl FnOnce() -> u64,
        hint: impl FnOnce() -> Hint,
    ) -> Option<String> {
        let mut inner = self.lock();
        let successes = if inner.looked == Some(now) { inner.successes } else { successes() };
        inner.looked = Some(now);
        inner.roll(self.number(now), successes, self.config.bad_slices);
        if let Some(slice) = inner.slices.back_mut() {
            slice.failed += 1;
        }
        let opens = match self.state.load(Ordering::Acquire) {
            CLOSED => self.is_bad(&inner),
            HALF_OPEN => pass == Pass::Probe(inner.round),
            _ => false,
        };
        if !opens {
            return None;
        }
        inner.opened = now;
        inner.times_opened += 1;
        inner.hint = hint();
        self.state.store(OPEN, Ordering::Release);
        Some(inner.hint.text.clone())
    }

    /// The share of failed writes in the slices that decide, and the one that runs.
    pub(crate) fn failure_rate(&self, now: u64, successes: u64) -> f64 {
        let mut inner = self.lock();
        inner.roll(self.number(now), successes, self.config.bad_slices);
        let failed: u64 = inner.slices.iter().map(|slice| slice.failed).sum();
        let all: u64 = inner.slices.iter().map(Slice::all).sum();
        if all == 0 { 0.0 } else { failed as f64 / all as f64 }
    }

    fn number(&self, now: u64) -> u64 {
        now / millis(self.config.slice).max(1)
    }

    fn is_bad(&self, inner: &Inner) -> bool {
        let complete = inner.slices.len() - 1;
        if complete < self.config.bad_slices {
            return false;
        }
        let slices = || inner.slices.iter().take(complete);
        let are_bad =
            slices().all(|slice| slice.failed as f64 > self.config.threshold * slice.all() as f64);
        are_bad && slices().map(Slice::all).sum::<u64>() >= self.config.floor
    }
}

impl Slice {
    fn all(&self) -> u64 {
        self.succeeded.saturating_add(self.failed)
    }
}

impl Inner {
    /// Begins to count probes anew; those that are under way count no more.
    fn begin_round(&mut self) {
        self.round += 1;
        (self.probes_started, self.probes_done) = (0, 0);
    }

    /// Begins anew with nothing counted.
    fn forget(&mut self, current: u64, successes: u64) {
        self.slices.clear();
        self.slices.push_back(Slice::default());
        self.current = current;
        self.successes = successes;
    }

    /// Opens the slices that have begun since, and spreads the successes over them.
    fn roll(&mut self, current: u64, successes: u64, keep: usize) {
        let new = successes.saturating_sub(self.successes);
        self.successes = self.successes.max(successes);
        let passed = current.saturating_sub(self.current);
        self.current = self.current.max(current);
        let share = new / (passed + 1);
        let rest = new - share * (passed + 1);
        if let Some(slice) = self.slices.back_mut() {
            slice.succeeded += share;
        }
        // Of a long silence only the end is kept.
        let opened = passed.min(keep as u64 + 1);
        for _ in 0..opened {
            self.slices.push_back(Slice { succeeded: share, failed: 0 });
        }
        if let Some(slice) = self.slices.back_mut() {
            slice.succeeded += rest;
        }
        while self.slices.len() > keep + 1 {
            self.slices.pop_front();
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn circuit(config: Breaker) -> Circuit {
        Circuit::new(config, 0)
    }

    fn hint(text: &str) -> Hint {
        Hint { text: text.to_owned(), ..Hint::default() }
    }

    fn fail(circuit: &Circuit, now: u64, successes: u64) -> bool {
        circuit.failed(Pass::Ordinary, now, || successes, || hint("hint")).is_some()
    }

    /// One write in `every` fails, ten times a second; the time at which it opened.
    fn run(circuit: &Circuit, every: u64, seconds: u64) -> Option<u64> {
        let mut successes = 0;
        for tick in 0..seconds * 10 {
            let now = tick * 100;
            if tick % every == 0 {
                if fail(circuit, now, successes) {
                    return Some(now);
                }
            } else {
                successes += 1;
            }
        }
        None
    }

    #[test]
    fn it_opens_after_five_bad_seconds_and_not_before() {
        assert_eq!(run(&circuit(Breaker::default()), 5, 60), Some(5000));
    }

    #[test]
    fn a_share_below_the_threshold_never_opens_it() {
        assert_eq!(run(&circuit(Breaker::default()), 10, 600), None);
    }

    #[test]
    fn few_writes_mean_nothing() {
        let quiet = circuit(Breaker::default());
        for second in 0..60 {
            assert!(!fail(&quiet, second * 1000, 0));
        }
        let told = circuit(Breaker::default().floor(5));
        assert!((0..60).any(|second| fail(&told, second * 1000, 0)));
    }

    #[test]
    fn a_good_second_between_starts_the_count_again() {
        let circuit = circuit(Breaker::default().floor(1));
        for second in [0, 1, 2, 3, 5, 6, 7, 8, 9] {
            assert!(!fail(&circuit, second * 1000, 0), "{second}");
        }
        assert!(fail(&circuit, 10_000, 0));
    }

    #[test]
    fn successes_of_long_ago_do_not_hide_failures_of_now() {
        let circuit = circuit(Breaker::default().floor(1));
        // An hour of writes without one failure.
        let successes = 1_000_000;
        let mut opened = None;
        for tick in 0..20 {
            let now = 3_600_000 + tick * 1000;
            if fail(&circuit, now, successes) {
                opened = Some(tick);
                break;
            }
        }
        // The slices that the hour's end lies in must pass first.
        assert!(opened.is_some_and(|seconds| seconds <= 6), "{opened:?}");
    }

    #[test]
    fn open_it_rests_then_probes_then_closes() {
        let config = Breaker::default().bad_slices(1).floor(1).probes(2);
        let circuit = circuit(config);
        fail(&circuit, 0, 0);
        assert!(fail(&circuit, 1000, 0));
        assert_eq!(circuit.state(), BreakerState::Open);
        let refused = circuit.admit(|| 3000).unwrap_err();
        assert_eq!(refused, (Duration::from_secs(8), "hint".to_owned()));

        assert_eq!(circuit.admit(|| 11_000), Ok(Pass::Probe(1)));
        assert_eq!(circuit.admit(|| 11_000), Ok(Pass::Probe(1)));
        assert!(circuit.admit(|| 11_000).is_err());
        assert!(!circuit.succeeded(Pass::Probe(1), || 11_000, || 1));
        assert_eq!(circuit.state(), BreakerState::HalfOpen);
        assert!(circuit.succeeded(Pass::Probe(1), || 11_000, || 2));
        assert_eq!(circuit.state(), BreakerState::Closed);
        assert_eq!(circuit.admit(|| 11_000), Ok(Pass::Ordinary));
        assert!(!fail(&circuit, 11_000, 2));
    }

    #[test]
    fn a_probe_that_fails_opens_it_again() {
        let circuit = circuit(Breaker::default().bad_slices(1).floor(1));
        fail(&circuit, 0, 0);
        fail(&circuit, 1000, 0);
        let pass = circuit.admit(|| 11_000).unwrap();
        assert!(circuit.failed(pass, 11_000, || 0, || hint("again")).is_some());
        assert_eq!(circuit.state(), BreakerState::Open);
        assert_eq!(circuit.times_opened(), 2);
    }

    #[test]
    fn probes_that_never_end_do_not_close_the_door_for_good() {
        let circuit = circuit(Breaker::default().bad_slices(1).floor(1).probes(1));
        fail(&circuit, 0, 0);
        fail(&circuit, 1000, 0);
        assert_eq!(circuit.admit(|| 11_000), Ok(Pass::Probe(1)));
        assert!(circuit.admit(|| 20_999).is_err());
        assert_eq!(circuit.admit(|| 21_000), Ok(Pass::Probe(2)));
        circuit.withdrawn(Pass::Probe(2));
        assert_eq!(circuit.admit(|| 21_000), Ok(Pass::Probe(2)));
    }

    #[test]
    fn a_probe_of_an_earlier_round_decides_nothing() {
        let circuit = circuit(Breaker::default().bad_slices(1).floor(1).probes(1));
        fail(&circuit, 0, 0);
        fail(&circuit, 1000, 0);
        let late = circuit.admit(|| 11_000).unwrap();
        let probe = circuit.admit(|| 21_000).unwrap();
        circuit.withdrawn(late);
        assert!(circuit.admit(|| 21_000).is_err(), "one probe is let in, and it is under way");
        assert!(!circuit.succeeded(late, || 21_000, || 1));
        assert!(circuit.failed(late, 21_000, || 1, || hint("late")).is_none());
        assert_eq!(circuit.state(), BreakerState::HalfOpen);
        assert!(circuit.succeeded(probe, || 21_000, || 1));
    }

    #[test]
    fn the_sum_of_successes_is_asked_for_once_a_millisecond() {
        let circuit = circuit(Breaker::default());
        let mut asked = 0;
        for failure in 0..100 {
            let successes = || {
                asked += 1;
                0
            };
            circuit.failed(Pass::Ordinary, failure / 50, successes, Hint::default);
        }
        assert_eq!(asked, 2);
    }

    #[test]
    fn a_threshold_that_nothing_is_above_is_not_taken() {
        for share in [1.0, 15.0, -0.1, f64::NAN, f64::INFINITY] {
            let set = std::panic::catch_unwind(|| Breaker::default().threshold(share));
            assert!(set.is_err(), "{share}");
        }
        assert_eq!(Breaker::default().threshold(0.0).threshold, 0.0);
    }

    proptest! {
        /// Against a record of every write: slices of any content, with a failure at both ends, so
        /// that what is spread is spread over one slice only.
        #[test]
        fn it_opens_exactly_when_every_write_is_counted(
            slices in proptest::collection::vec((0_u64..30, 0_u64..10), 1..40),
            bad_slices in 1_usize..6,
            floor in 0_u64..60,
        ) {
            let config = Breaker::default().bad_slices(bad_slices).floor(floor);
            let circuit = circuit(config);
            let mut successes = 0;
            let mut history: Vec<(u64, u64)> = Vec::new();
            for (number, &(good, bad)) in slices.iter().enumerate() {
                let start = number as u64 * 1000;
                let expected = history.len() >= bad_slices && {
                    let last = &history[history.len() - bad_slices..];
                    let is_bad = |&(good, bad): &(u64, u64)| bad as f64 / (good + bad) as f64 > 0.15;
                    last.iter().all(is_bad)
                        && last.iter().map(|(good, bad)| good + bad).sum::<u64>() >= floor
                };
                prop_assert_eq!(fail(&circuit, start, successes), expected, "slice {}", number);
                if expected {
                    break;
                }
                successes += good;
                for failure in 0..=bad {
                    prop_assert!(!fail(&circuit, start + 999 - (bad - failure), successes));
                }
                history.push((good, bad + 2));
            }
        }
    }
}
