//! Pieces of folklore, with the bounds within which each would be true.

use super::quantity::{Measurement, Quantity, Versions};
use super::release::GoRelease;

/// A piece of folklore.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// A name of its own, which stays the same.
    pub row: &'static str,
    /// What is told, in our own words.
    pub says: &'static str,
    /// The figure that is told with it; empty where there is none.
    pub figure: &'static str,
    /// Where the figures would have to lie for it to be true.
    pub bounds: &'static [Bound],
    /// What came of it.
    pub verdict: Verdict,
    /// Why, in one line.
    pub because: &'static str,
}

/// A range, ends included, that a claim puts a figure in.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// The quantity's name.
    pub quantity: &'static str,
    /// The place in a series; for `None`, every point must lie in the range.
    pub at: Option<u64>,
    /// The least that the claim allows.
    pub from: f64,
    /// The most.
    pub to: f64,
}

/// How a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// On every release.
    Holds,
    /// On these releases, and nothing of it on others.
    On(Versions),
    /// A part of it, on every release.
    Partly,
    /// A part of it, on these releases; nothing of it on others.
    PartlyOn(Versions),
    /// On no release, and no part of it.
    DoesNotHold,
}

/// How much of a claim the figures of one release bear out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every bound.
    All,
    /// Some bounds, and not all.
    Some,
    /// No bound.
    None,
}

impl Bound {
    /// A range.
    pub(super) const fn between(quantity: &'static str, from: f64, to: f64) -> Self {
        Self { quantity, at: None, from, to }
    }

    /// One figure.
    pub(super) const fn exactly(quantity: &'static str, value: f64) -> Self {
        Self::between(quantity, value, value)
    }

    /// At least so much.
    pub(super) const fn at_least(quantity: &'static str, from: f64) -> Self {
        Self::between(quantity, from, f64::INFINITY)
    }

    /// At most so much.
    pub(super) const fn at_most(quantity: &'static str, to: f64) -> Self {
        Self::between(quantity, f64::NEG_INFINITY, to)
    }

    /// The same of one point of a series.
    pub(super) const fn point(self, at: u64) -> Self {
        Self { at: Some(at), ..self }
    }

    /// Tells whether figures lie in the range. A quantity that the release does not have lies in
    /// none; one that this side does not measure is open.
    fn is_met(
        &self,
        quantities: &[Quantity],
        release: &GoRelease,
        measured: &[Measurement],
    ) -> Option<bool> {
        let quantity = quantities.iter().find(|quantity| quantity.name == self.quantity)?;
        if !quantity.on.contains(release) {
            return Some(false);
        }
        let mut figures = measured
            .iter()
            .filter(|figure| figure.quantity == self.quantity)
            .filter(|figure| self.at.is_none_or(|at| figure.at == Some(at)))
            .peekable();
        figures.peek()?;
        Some(figures.all(|figure| (self.from..=self.to).contains(&figure.value)))
    }
}

impl Claim {
    /// Says how much of the claim the figures of a release bear out; `None` where this side lacks
    /// one of them.
    pub fn outcome(
        &self,
        quantities: &[Quantity],
        release: &GoRelease,
        measured: &[Measurement],
    ) -> Option<Outcome> {
        let met: Option<Vec<bool>> =
            self.bounds.iter().map(|bound| bound.is_met(quantities, release, measured)).collect();
        let met = met.filter(|met| !met.is_empty())?;
        Some(match (met.contains(&true), met.contains(&false)) {
            (true, false) => Outcome::All,
            (true, true) => Outcome::Some,
            _ => Outcome::None,
        })
    }
}

impl Verdict {
    /// Returns what the figures of a release must then say.
    pub fn expects(self, release: &GoRelease) -> Outcome {
        let (versions, outcome) = match self {
            Self::Holds => (Versions::All, Outcome::All),
            Self::On(versions) => (versions, Outcome::All),
            Self::Partly => (Versions::All, Outcome::Some),
            Self::PartlyOn(versions) => (versions, Outcome::Some),
            Self::DoesNotHold => (Versions::All, Outcome::None),
        };
        if versions.contains(release) { outcome } else { Outcome::None }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Holds => f.write_str("holds"),
            Self::On(versions) => write!(f, "holds {versions}"),
            Self::Partly => f.write_str("holds in part"),
            Self::PartlyOn(versions) => write!(f, "holds in part, {versions}"),
            Self::DoesNotHold => f.write_str("does not hold"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUANTITIES: &[Quantity] = &[
        Quantity::exact("header", "bytes"),
        Quantity::exact("overflow", "buckets").on(Versions::Classic),
    ];

    const CLAIM: Claim = Claim {
        row: "two-bounds",
        says: "",
        figure: "",
        bounds: &[Bound::exactly("header", 48.0), Bound::at_least("overflow", 1.0)],
        verdict: Verdict::On(Versions::Classic),
        because: "",
    };

    fn outcome(minor: u32, figures: &[(&'static str, f64)]) -> Option<Outcome> {
        let measured: Vec<_> =
            figures.iter().map(|(name, value)| Measurement::of(name, *value)).collect();
        CLAIM.outcome(QUANTITIES, &GoRelease::of(minor).unwrap(), &measured)
    }

    #[test]
    fn a_claim_is_borne_out_by_all_some_or_none_of_its_bounds() {
        assert_eq!(outcome(23, &[("header", 48.0), ("overflow", 3.0)]), Some(Outcome::All));
        assert_eq!(outcome(23, &[("header", 56.0), ("overflow", 3.0)]), Some(Outcome::Some));
        assert_eq!(outcome(23, &[("header", 56.0), ("overflow", 0.0)]), Some(Outcome::None));
    }

    #[test]
    fn what_a_release_does_not_have_bears_nothing_out_and_what_was_not_measured_is_open() {
        assert_eq!(outcome(24, &[("header", 48.0)]), Some(Outcome::Some));
        assert_eq!(outcome(23, &[("header", 48.0)]), None);
    }
}
