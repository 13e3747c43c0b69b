//! Go's allocator and collector, executable; predictions and experiments.

mod predict;

pub use predict::{
    Deviation, MAX_ENTRIES, Plan, PredictError, Prediction, Release, predict, retained_along,
};
