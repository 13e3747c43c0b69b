//! Go's two maps, executable, in simulated memory and Go's exact layout.
//!
//! A map lives in an arena, behind the same header, directory, tables, groups or buckets that a
//! process has, so that the readers of this crate decode it as they decode a process. It takes the
//! release's decisions one by one: where a key goes, when and how the map grows, what deleting
//! leaves behind. What the runtime provides (memory, random numbers, a collector that wants to hear
//! of overwritten pointers) is the caller's, by the trait [`Heap`]; [`BumpHeap`] is one without a
//! collector.

mod access;
mod bump;
mod classic;
mod heap;
mod keys;
mod map;
mod map_type;
mod random;
mod release;
mod slot;
mod swiss;
mod typed;

pub use bump::{BumpHeap, HeapCounts};
pub use heap::{Heap, OutOfMemory, Piece, Request};
pub use map::{RunningIter, RunningMap};
pub use map_type::{BadMapType, MapType};
pub use random::SeededRandom;
pub use release::Release;
pub use slot::Slot;
pub use typed::{GoKey, GoValue, TypedIter, TypedMap, TypedMapError};
