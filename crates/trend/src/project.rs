//! When a series that grows comes to a limit.
//!
//! A straight line from where it is now, at the slope it has now. The interval takes two standard
//! errors of the slope and of the place, against each other and with each other.

use serde::Serialize;

use crate::trend::{Trend, Verdict};

/// Standard errors to either side.
const ERRORS: f64 = 2.0;

/// Seconds from the last point until a limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Projection {
    /// At the slope it has.
    pub expected: f64,
    /// The least that is likely.
    pub earliest: f64,
    /// The most that is likely; `None` where it may never be.
    pub latest: Option<f64>,
}

impl Trend {
    /// When it comes to `limit`; `None` for what does not grow.
    pub fn until(&self, limit: f64) -> Option<Projection> {
        if self.verdict != Verdict::Growing || self.per_second <= 0.0 || !limit.is_finite() {
            return None;
        }
        let left = limit - self.last.1;
        let off = ERRORS * self.last_error;
        let (fast, slow) = (
            self.per_second + ERRORS * self.per_second_error,
            self.per_second - ERRORS * self.per_second_error,
        );
        Some(Projection {
            expected: (left / self.per_second).max(0.0),
            earliest: ((left - off) / fast).max(0.0),
            latest: (slow > 0.0).then(|| ((left + off) / slow).max(0.0)),
        })
    }
}
