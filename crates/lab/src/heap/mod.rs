//! The allocator: size classes, spans, caches, pages, and giving memory back.

mod allocator;
mod bits;
mod cache;
mod chunk;
mod growth;
mod pages;
mod refill;
mod release;
mod rules;
mod scavenger;
mod size_class;
mod span;
mod stacks;
mod stats;
mod sweep;

pub(crate) use allocator::{Allocator, AllocatorOptions, Special};
pub use rules::Rules;
pub(crate) use scavenger::SCAVENGE_STEP;
pub use size_class::SpanClass;
pub(crate) use stacks::{StackMemory, StackSpace};
pub use stats::{MemStats, SizeCounts};
pub(crate) use sweep::Freed;

/// Pages of a huge page of 2 MiB.
const HUGE_PAGE_PAGES: usize = 256;
