//! Go's allocator and collector, executable; predictions and experiments.
//!
//! ```
//! use tophash_goruntime::GoVersion;
//! use tophash_lab::{MapId, Runtime, RuntimeOptions, Slot};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let version = GoVersion::parse("go1.27.3").ok_or("no version")?;
//! let mut runtime = Runtime::new(RuntimeOptions::new(version))?;
//! let main = runtime.go(1, &[])?;
//! let bytes = runtime.allocate(main, 1000, MapId::NONE)?;
//! runtime.store(Slot::Stack(main, 0), bytes);
//! runtime.gc();
//! assert_eq!(runtime.mem_stats().heap_alloc, 1024);
//! # Ok(())
//! # }
//! ```
//!
//! What a map will cost:
//!
//! ```
//! use tophash_gomap::GoType;
//! use tophash_lab::{NamedRelease, Plan, predict};
//!
//! let go = NamedRelease::named("1.27")?;
//! let plan = Plan { entries: 100, ..Plan::default() };
//! let map = predict(&go, &GoType::String, &GoType::Integer(8), plan);
//! assert_eq!((map.retained_bytes, map.objects, map.is_exact), (3544, 4, true));
//! assert_eq!(map.next_growth_at, 112);
//! # Ok::<(), tophash_lab::PredictError>(())
//! ```

mod experiment;
mod fault_story;
mod gc;
mod heap;
mod map_heap;
mod mutator;
mod pointer_map;
mod predict;
mod profile;
mod replay;
mod runtime;

pub use experiment::{
    Agreement, Bound, Claim, Disagreement, Experiment, ExperimentError, FigureError, GoRelease,
    HARNESS, Measurement, Model, Outcome, Quantity, Verdict, Versions, all_experiments,
    check_claims, check_model, check_ranges, read_measurements,
};
pub use fault_story::{FaultStory, FaultStoryError, tell_fault};
pub use gc::{
    Fault, FinalizerId, GcRecord, Holder, PathStep, Phase, PrematureFree, StaleRead, Surroundings,
};
pub use heap::{MemStats, Rules, SizeCounts, SpanClass};
pub use map_heap::{MapHeap, MapPieces};
pub use mutator::{GoroutineId, Slot};
pub use pointer_map::{MapId, PointerMap, Role};
pub use predict::{
    Deviation, MAX_ENTRIES, NamedRelease, Plan, PredictError, Prediction, predict, retained_along,
};
pub use profile::{SiteFrame, SiteId};
pub use replay::{
    Access, Record, Replay, ReplayError, TraceError, TracePlace, TraceReader, Whole, replay,
};
pub use runtime::{Runtime, RuntimeError, RuntimeOptions};
