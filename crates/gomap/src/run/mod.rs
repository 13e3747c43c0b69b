//! Go's two maps, executable, in simulated memory and Go's exact layout.

mod heap;

pub use heap::{Heap, OutOfMemory, Piece, Request};
