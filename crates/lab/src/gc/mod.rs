//! The collector: concurrent marking, its pacing, finalizers, faults and what finds them.

mod check;
mod clock;
mod controller;
mod cycle;
mod fault;
mod mark;
mod pacer;
mod record;

pub(crate) use check::Checker;
pub use check::{Holder, PathStep, PrematureFree, StaleRead};
pub(crate) use clock::{ACCESS, Clock, allocation_nanos};
pub(crate) use cycle::Collector;
pub use cycle::Phase;
pub use fault::Fault;
pub(crate) use fault::Faults;
pub(crate) use pacer::Pacer;
pub use pacer::Surroundings;
pub use record::GcRecord;

/// A finalizer, by a number of the program's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FinalizerId(pub u32);
