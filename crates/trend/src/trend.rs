//! What is said of a series.

use serde::Serialize;

use crate::judge;

/// What a series does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Not enough points to tell.
    TooEarly,
    /// Stays where it is, or where it came to.
    Flat,
    /// Goes up and down by much, and comes back.
    Churning,
    /// Went to another level at once, and stays there.
    Stepped,
    /// Grows, and has not stopped.
    Growing,
    /// Falls, and has not stopped.
    Falling,
}

impl Verdict {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooEarly => "too early",
            Self::Flat => "flat",
            Self::Churning => "churning",
            Self::Stepped => "stepped",
            Self::Growing => "growing",
            Self::Falling => "falling",
        }
    }
}

/// What is behind a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Explanation {
    /// Too few points, or all at once.
    TooFew,
    /// A level with noise.
    Level,
    /// Moved, but by less than is worth a word.
    TooLittle,
    /// Moved at first, and has come to a level: a cache that filled up.
    Settled,
    /// A wave that repeats.
    Wave,
    /// Ups and downs without a form.
    Swings,
    /// From one level to another.
    Steps,
    /// In one direction all along.
    Steady,
    /// In one direction since a point in time, at which the slope changed.
    SinceChange,
    /// In one direction step by step.
    StepByStep,
}

/// What changed at a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The level.
    Step,
    /// The slope: where a leak starts.
    Inflection,
    /// The slope ended in a level.
    Settling,
}

/// A changepoint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    /// When, in seconds.
    pub at: f64,
    /// What.
    pub kind: ChangeKind,
    /// By how much the level changed, of a step.
    pub by: f64,
}

/// The trend of a series.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Trend {
    /// What it does.
    pub verdict: Verdict,
    /// How often a verdict that is this sure is right, from 0 to 1.
    pub confidence: f64,
    /// What is behind it.
    pub explanation: Explanation,
    /// How fast it moves now, in units a second; of what neither grows nor falls, the median slope.
    pub per_second: f64,
    /// The standard error of that.
    pub per_second_error: f64,
    /// By how many standard deviations the series is in order; negative if it falls.
    pub strength: f64,
    /// The points that were looked at.
    pub points: usize,
    /// Where it changed, in order of time.
    pub changes: Vec<Change>,
    /// A wave that repeats, in seconds.
    pub period: Option<f64>,
    /// Where it is now, noise aside, and when that is.
    pub last: (f64, f64),
    /// The standard error of where it is.
    pub last_error: f64,
}

impl Trend {
    /// Judges points of (seconds, value); a change below `least` over all of it is noise.
    pub fn of(points: &[(f64, f64)], least: f64) -> Self {
        judge::judge(points, least)
    }

    pub(crate) fn nothing(points: usize) -> Self {
        Self {
            verdict: Verdict::TooEarly,
            confidence: 0.0,
            explanation: Explanation::TooFew,
            per_second: 0.0,
            per_second_error: 0.0,
            strength: 0.0,
            points,
            changes: Vec::new(),
            period: None,
            last: (0.0, 0.0),
            last_error: 0.0,
        }
    }

    /// Since when the slope has been what it is, where it changed.
    pub fn inflection(&self) -> Option<f64> {
        self.changes.iter().rev().find(|it| it.kind == ChangeKind::Inflection).map(|it| it.at)
    }
}
