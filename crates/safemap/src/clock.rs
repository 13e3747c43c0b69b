//! Where a map has the time from: the system, or a test's hand.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant, SystemTime};

/// Tells the time to a map.
///
/// ```
/// use std::time::Duration;
/// use tophash_safemap::{Clock, ManualClock};
///
/// let clock = ManualClock::new();
/// clock.advance(Duration::from_secs(5));
/// assert_eq!(clock.now(), Duration::from_secs(5));
/// ```
pub trait Clock: fmt::Debug + Send + Sync {
    /// Time since some moment that stays the same; never goes back.
    fn now(&self) -> Duration;

    /// The same for who asks at every operation: it may lag some milliseconds behind, if it costs
    /// less for that, but never goes back either.
    fn coarse_now(&self) -> Duration {
        self.now()
    }

    /// The time of day, for reports.
    fn wall(&self) -> SystemTime;

    /// Whether the map may ask it under a lock: only the clocks of this crate can say so.
    #[doc(hidden)]
    fn is_ours(&self, _: ours::Ours) -> bool {
        false
    }

    /// Lets the calling thread rest until some moment of this clock, or until it is unparked. It may
    /// come back early; who calls looks at the clock again.
    fn park_until(&self, moment: Duration) {
        thread::park_timeout(moment.saturating_sub(self.now()));
    }
}

mod ours {
    /// Keeps others from saying that their clock is ours: it can't be named outside.
    #[derive(Debug)]
    pub struct Ours;
}

/// Whether a clock is one of this crate, which nothing that a map does can wait for.
pub(crate) fn is_ours(clock: &dyn Clock) -> bool {
    clock.is_ours(ours::Ours)
}

/// The clock of the system.
///
/// ```
/// use tophash_safemap::{Clock, SystemClock};
///
/// let clock = SystemClock::new();
/// assert!(clock.now() <= clock.now());
/// ```
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
    #[cfg(target_os = "linux")]
    coarse_start: Duration,
}

impl SystemClock {
    /// A clock that starts now.
    pub fn new() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            coarse_start: coarse(),
            start: Instant::now(),
        }
    }
}

/// The time of the last tick of the system, which costs no look at the hardware.
#[cfg(target_os = "linux")]
fn coarse() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    // It counts from the start of the system.
    time.try_into().unwrap_or_default()
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    #[cfg(target_os = "linux")]
    fn coarse_now(&self) -> Duration {
        coarse().saturating_sub(self.coarse_start)
    }

    fn is_ours(&self, _: ours::Ours) -> bool {
        true
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A clock that a test moves; it stands still otherwise.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use tophash_safemap::{ManualClock, SafeMap, Schema, Type};
///
/// let clock = Arc::new(ManualClock::new());
/// let schema = Schema::builder().key("a", Type::any().ttl(Duration::from_secs(1))).build()?;
/// let map = SafeMap::builder(schema).clock(clock.clone()).build();
/// map.set("a", 1)?;
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(map.get("a")?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct ManualClock {
    state: Mutex<Manual>,
}

#[derive(Debug, Default)]
struct Manual {
    now: Duration,
    /// Threads that rest until the clock is moved.
    resting: Vec<Thread>,
}

impl ManualClock {
    /// A clock at zero, which is midnight of the first of January 1970.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        let mut state = self.lock();
        state.now = state.now.saturating_add(by);
        for thread in state.resting.drain(..) {
            thread.unpark();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Manual> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        self.lock().now
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.now()
    }

    fn is_ours(&self, _: ours::Ours) -> bool {
        true
    }

    fn park_until(&self, moment: Duration) {
        let mut state = self.lock();
        if state.now >= moment {
            return;
        }
        state.resting.push(thread::current());
        drop(state);
        // A move in between has unparked this thread, which lets it through here.
        thread::park();
    }
}
