//! Time, as the model has it: what a program does costs so many nanoseconds, and while it runs the
//! collector's workers get their share.
//!
//! The costs are round figures of the order of what Go needs on a machine of today. They decide
//! when, between two operations of the program, the collector makes how many steps, and so what
//! the pacer learns; they are no prediction of anything's duration.

/// An allocation, and each byte of it.
pub(crate) const ALLOCATION: u64 = 25;
pub(crate) const BYTES_PER_NANO: u64 = 8;
/// A load or a store.
pub(crate) const ACCESS: u64 = 2;
/// Marking an object, beside each byte that is scanned.
pub(crate) const MARK_OBJECT: u64 = 20;
/// Sweeping a span.
pub(crate) const SWEEP_SPAN: u64 = 500;
/// Giving a page back, how long the background scavenger works at a time (`minScavWorkTime`), and
/// how many times as long it sleeps then, so that it takes a hundredth of the time.
pub(crate) const RELEASE_PAGE: u64 = 200;
pub(crate) const SCAVENGE_WORK: u64 = 1_000_000;
pub(crate) const SCAVENGE_SLEEP: u64 = 100;
/// Stopping the world, at the start and at the end of marking.
pub(crate) const STOP_AT_START: u64 = 30_000;
pub(crate) const STOP_AT_END: u64 = 40_000;

/// Nanoseconds since the program started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Clock {
    pub(crate) now: u64,
    /// Time of processors that the collector took.
    pub(crate) collecting: u64,
}

/// Returns what an allocation costs.
pub(crate) fn allocation_nanos(size: u64) -> u64 {
    ALLOCATION + size / BYTES_PER_NANO
}
