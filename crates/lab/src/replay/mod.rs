//! Recorded operations on maps, run on any release's design.

mod keys;
mod run;
mod trace;

pub use run::{Replay, ReplayError, replay};
pub use trace::{Access, Record, TraceError, TracePlace, TraceReader, Whole};
