//! Go's allocator and collector, executable; predictions and experiments.

mod predict;

pub use predict::{
    MAX_ENTRIES, Plan, PredictError, Prediction, Release, predict, retained_along,
};
