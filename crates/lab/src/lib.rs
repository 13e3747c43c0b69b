//! Go's allocator and collector, executable; predictions and experiments.
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

mod predict;

pub use predict::{
    Deviation, MAX_ENTRIES, NamedRelease, Plan, PredictError, Prediction, predict, retained_along,
};
