//! What is held against what.

use super::claim::Outcome;
use super::quantity::{Agreement, Measurement};
use super::release::GoRelease;
use super::{Claim, Experiment};

/// Two that should agree and don't.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Disagreement {
    /// The model and real Go.
    Model {
        /// The quantity's name.
        quantity: &'static str,
        /// The place in its series.
        at: Option<u64>,
        /// The model's figure; `None` if it has no such point.
        model: Option<f64>,
        /// Real Go's.
        real: Option<f64>,
    },
    /// A figure and the range that it is known to lie in.
    Range {
        /// The quantity's name.
        quantity: &'static str,
        /// The place in its series.
        at: Option<u64>,
        /// The figure.
        value: f64,
        /// The range.
        expected: (f64, f64),
    },
    /// What the figures say of a claim and what its verdict says.
    Verdict {
        /// The claim's name.
        row: &'static str,
        /// What the verdict says of this release.
        expected: Outcome,
        /// What the figures say.
        found: Outcome,
    },
}

/// Compares the model's figures with real Go's, each within its quantity's tolerance.
pub fn check_model(
    experiment: &Experiment,
    release: &GoRelease,
    model: &[Measurement],
    real: &[Measurement],
) -> Vec<Disagreement> {
    let mut found = Vec::new();
    for quantity in experiment.quantities {
        if matches!(quantity.agreement, Agreement::RealOnly | Agreement::ModelOnly)
            || !quantity.on.contains(release)
        {
            continue;
        }
        let of = |side: &[Measurement], at: Option<u64>| {
            let same = |figure: &&Measurement| figure.quantity == quantity.name && figure.at == at;
            side.iter().find(same).map(|figure| figure.value)
        };
        let mut places: Vec<Option<u64>> = model
            .iter()
            .chain(real)
            .filter(|figure| figure.quantity == quantity.name)
            .map(|figure| figure.at)
            .collect();
        places.sort_unstable();
        places.dedup();
        for at in places {
            let (model, real) = (of(model, at), of(real, at));
            let agrees = model.zip(real).is_some_and(|(model, real)| quantity.agrees(model, real));
            if !agrees {
                found.push(Disagreement::Model { quantity: quantity.name, at, model, real });
            }
        }
    }
    found
}

/// Compares figures with the ranges that they are known to lie in.
pub fn check_ranges(
    experiment: &Experiment,
    release: &GoRelease,
    measured: &[Measurement],
) -> Vec<Disagreement> {
    let mut found = Vec::new();
    for figure in measured {
        let Some(quantity) = experiment.quantity(figure.quantity) else { continue };
        let ranges = quantity.expected.iter().filter(|(on, ..)| on.contains(release));
        for &(_, from, to) in ranges {
            if !(from..=to).contains(&figure.value) {
                found.push(Disagreement::Range {
                    quantity: quantity.name,
                    at: figure.at,
                    value: figure.value,
                    expected: (from, to),
                });
            }
        }
    }
    found
}

/// Compares the verdict on each claim with what figures say of it; claims that these figures leave
/// open are passed over.
pub fn check_claims(
    experiment: &Experiment,
    release: &GoRelease,
    measured: &[Measurement],
) -> Vec<Disagreement> {
    let disagrees = |claim: &Claim| {
        let found = claim.outcome(experiment.quantities, release, measured)?;
        let expected = claim.verdict.expects(release);
        let row = claim.row;
        (found != expected).then_some(Disagreement::Verdict { row, expected, found })
    };
    experiment.claims.iter().filter_map(disagrees).collect()
}

impl std::fmt::Display for Disagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = |at: &Option<u64>| at.map_or(String::new(), |at| format!(" at {at}"));
        match self {
            Self::Model { quantity, at, model, real } => {
                let spell = |side: &Option<f64>| {
                    side.map_or("nothing".to_owned(), |value| value.to_string())
                };
                write!(
                    f,
                    "{quantity}{}: the model says {}, real Go {}",
                    place(at),
                    spell(model),
                    spell(real)
                )
            }
            Self::Range { quantity, at, value, expected: (from, to) } => {
                write!(f, "{quantity}{}: {value} is not within {from} to {to}", place(at))
            }
            Self::Verdict { row, expected, found } => {
                let spell = |outcome: &Outcome| match outcome {
                    Outcome::All => "all of it holds",
                    Outcome::Some => "a part of it holds",
                    Outcome::None => "none of it holds",
                };
                write!(
                    f,
                    "{row}: the verdict says that {}, the figures that {}",
                    spell(expected),
                    spell(found)
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bound, Model, Quantity, Verdict, Versions};
    use super::*;

    static EXPERIMENT: Experiment = Experiment {
        name: "test",
        question: "",
        method: "",
        claims: &[Claim {
            row: "small",
            says: "",
            figure: "",
            bounds: &[Bound::at_most("size", 50.0)],
            verdict: Verdict::On(Versions::Classic),
            because: "",
        }],
        quantities: &[
            Quantity::exact("size", "bytes").expected(&[(Versions::Swiss, 60.0, 70.0)]),
            Quantity::real("time", "ns"),
        ],
        model: Model::Without("it is a test"),
        program: "",
    };

    fn release(minor: u32) -> GoRelease {
        GoRelease::of(minor).unwrap()
    }

    #[test]
    fn figures_that_differ_or_are_on_one_side_alone_are_reported() {
        let size = |at, value| Measurement { quantity: "size", at, value };
        let real = [size(Some(1), 48.0), size(Some(2), 49.0), Measurement::of("time", 7.0)];
        assert!(check_model(&EXPERIMENT, &release(23), &real[..2], &real).is_empty());
        let model = [size(Some(1), 48.5), size(Some(3), 49.0)];
        let found = check_model(&EXPERIMENT, &release(23), &model, &real);
        let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
        let expected = [
            "size at 1: the model says 48.5, real Go 48",
            "size at 2: the model says nothing, real Go 49",
            "size at 3: the model says 49, real Go nothing",
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn figures_out_of_their_range_are_reported_for_the_releases_that_have_one() {
        let size = [Measurement::of("size", 48.0)];
        assert!(check_ranges(&EXPERIMENT, &release(23), &size).is_empty());
        assert_eq!(check_ranges(&EXPERIMENT, &release(24), &size).len(), 1);
    }

    #[test]
    fn verdicts_that_the_figures_do_not_bear_out_are_reported() {
        let size = |value| [Measurement::of("size", value)];
        for (minor, value, agrees) in
            [(23, 48.0, true), (23, 64.0, false), (24, 64.0, true), (24, 48.0, false)]
        {
            let found = check_claims(&EXPERIMENT, &release(minor), &size(value));
            assert_eq!(found.is_empty(), agrees, "Go 1.{minor}, {value}");
        }
        assert!(check_claims(&EXPERIMENT, &release(23), &[]).is_empty());
    }
}
