//! What a series of numbers does over time: it grows, falls, churns, steps or stays flat, and how
//! certain that is.
//!
//! ```
//! use tophash_trend::{Trend, Verdict};
//!
//! // A megabyte a minute, under a sawtooth of ten.
//! let points: Vec<_> = (0..120)
//!     .map(|at| (f64::from(at) * 60.0, f64::from(100 + at + at % 8 * 10)))
//!     .collect();
//! let trend = Trend::of(&points, 1.0);
//! assert_eq!(trend.verdict, Verdict::Growing);
//! assert!((trend.per_second * 60.0 - 1.0).abs() < 0.1);
//! let limit = trend.until(500.0).unwrap();
//! assert!(limit.earliest < limit.expected);
//! ```
//!
//! The caller supplies points of (seconds, value) in any order and at any distance, and says from
//! which change on it is worth a word. Nothing is known here of heaps, profiles or where points come
//! from. Work is bounded whatever the length: more than some hundred points are thinned first.

mod fit;
mod judge;
mod period;
mod phases;
mod points;
mod project;
mod shapes;
mod slope;
mod trend;

pub use phases::{Phase, PhaseKind, phases};
pub use project::Projection;
pub use slope::{TrendTest, theil_sen};
pub use trend::{Change, ChangeKind, Explanation, Trend, Verdict};
