//! Go's allocator and collector, executable; predictions and experiments.

mod predict;
mod replay;

pub use predict::{
    Deviation, MAX_ENTRIES, NamedRelease, Plan, PredictError, Prediction, predict, retained_along,
};
pub use replay::{
    Access, Record, Replay, ReplayError, TraceError, TracePlace, TraceReader, Whole, replay,
};
