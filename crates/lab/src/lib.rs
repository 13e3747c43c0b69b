//! Go's allocator and collector, executable; predictions and experiments.

mod predict;

pub use predict::{
    Deviation, MAX_ENTRIES, NamedRelease, Plan, PredictError, Prediction, predict, retained_along,
};
