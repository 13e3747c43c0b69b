//! Go's allocator and collector, executable; predictions and experiments.

mod experiment;

pub use experiment::{
    Agreement, Bound, Claim, Disagreement, Experiment, ExperimentError, FigureError, GoRelease,
    HARNESS, Measurement, Model, Outcome, Quantity, Verdict, Versions, all_experiments,
    check_claims, check_model, check_ranges, read_measurements,
};
