//! Whether the maps of a site grow, or come and go.
//!
//! A map that grows doubles its arrays and lets go of the old ones: of all that it ever allocated about
//! half is in use, more where it was made for its size. One that is made and dropped again and again,
//! or whose entries are, allocates many times what it holds. One profile tells these apart; whether a
//! map goes on growing only a second one tells.

use serde::Serialize;

/// Of all bytes that a site allocated, at least this share is in use where nothing was let go.
const KEPT: f64 = 0.9;
/// At least this, where maps grew by doubling: half, less what the last doubling let go.
const GROWN: f64 = 0.3;
/// A share of what was allocated in the interval that is no change.
const NO_CHANGE: f64 = 0.1;

/// What a site holds and what it allocated, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Held {
    pub(super) inuse: i64,
    pub(super) allocated: i64,
}

/// A word for what the maps of a site do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Trend {
    /// More is in use than in the earlier profile.
    Growing,
    /// It grew by doubling, and is there.
    Grown,
    /// Made for its size, and there: nearly all that was allocated is in use.
    Kept,
    /// Much more was allocated than is in use: maps, or their arrays, come and go.
    Churning,
    /// Less is in use than in the earlier profile.
    Shrinking,
    /// Nothing was allocated since the earlier profile.
    Steady,
}

impl Trend {
    /// Judges one profile.
    pub(super) fn of(now: Held) -> Option<Self> {
        if now.allocated <= 0 {
            return None;
        }
        let share = now.inuse as f64 / now.allocated as f64;
        Some(match share {
            _ if share >= KEPT => Self::Kept,
            _ if share >= GROWN => Self::Grown,
            _ => Self::Churning,
        })
    }

    /// Judges what happened since an earlier profile.
    pub(super) fn since(now: Held, before: Held) -> Option<Self> {
        let allocated = now.allocated.saturating_sub(before.allocated);
        let change = now.inuse.saturating_sub(before.inuse);
        if allocated <= 0 {
            return Some(if change < 0 { Self::Shrinking } else { Self::Steady });
        }
        let share = change as f64 / allocated as f64;
        Some(match share {
            _ if share >= NO_CHANGE => Self::Growing,
            _ if share <= -NO_CHANGE => Self::Shrinking,
            _ => Self::Churning,
        })
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Growing => "growing",
            Self::Grown => "grown",
            Self::Kept => "kept",
            Self::Churning => "churning",
            Self::Shrinking => "shrinking",
            Self::Steady => "steady",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(inuse: i64, allocated: i64) -> Held {
        Held { inuse, allocated }
    }

    #[test]
    fn one_profile_tells_what_is_kept_from_what_comes_and_goes() {
        assert_eq!(Trend::of(held(1000, 1000)), Some(Trend::Kept));
        assert_eq!(Trend::of(held(164_144, 346_024)), Some(Trend::Grown));
        assert_eq!(Trend::of(held(4448, 31_112)), Some(Trend::Churning));
        assert_eq!(Trend::of(held(0, 0)), None);
    }

    #[test]
    fn two_profiles_tell_growth_from_churn() {
        assert_eq!(Trend::since(held(200, 400), held(100, 200)), Some(Trend::Growing));
        assert_eq!(Trend::since(held(100, 4000), held(100, 200)), Some(Trend::Churning));
        assert_eq!(Trend::since(held(100, 200), held(100, 200)), Some(Trend::Steady));
        assert_eq!(Trend::since(held(50, 400), held(150, 200)), Some(Trend::Shrinking));
    }
}
