//! Figures: what is measured, on which releases, and how near model and real Go must be.
//!
//! A Go program prints a figure as a line `QUANTITY`, name, value, unit with tabs between; one
//! point of a series has its place behind the name: `growth point@3`. All else that a program
//! prints is for people.

use super::release::GoRelease;

/// A figure that an experiment measures.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    /// What it is, as it is printed.
    pub name: &'static str,
    /// Its unit, in the plural; empty for a bare number or ratio.
    pub unit: &'static str,
    /// The releases that have it.
    pub on: Versions,
    /// How near the model must come to real Go.
    pub agreement: Agreement,
    /// Where it is known to lie, on some releases.
    pub expected: &'static [(Versions, f64, f64)],
    /// What the places of its series count, where they make a curve; else empty.
    pub over: &'static str,
}

/// A set of releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// Each of them.
    All,
    /// Those with buckets, up to Go 1.23.
    Classic,
    /// Those with Swiss maps, from Go 1.24.
    Swiss,
    /// From Go 1.n on.
    From(u32),
    /// Up to Go 1.n.
    Until(u32),
    /// Classic maps that grow at 6.5 entries a bucket: all but those of Go 1.21.
    SixAndAHalf,
}

/// How near the model must come to real Go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Agreement {
    /// They must be the same.
    Exact,
    /// The difference is at most this share of the real figure, plus so much.
    Within(f64, f64),
    /// Only real Go has it: a time, or what the model does not cover.
    RealOnly,
    /// Only the model has it.
    ModelOnly,
}

/// One measured figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// The quantity's name.
    pub quantity: &'static str,
    /// The place in a series.
    pub at: Option<u64>,
    /// The figure.
    pub value: f64,
}

impl Versions {
    /// Tells whether a release is one of them.
    pub fn contains(self, release: &GoRelease) -> bool {
        let minor = release.minor();
        match self {
            Self::All => true,
            Self::Classic => release.is_classic(),
            Self::Swiss => !release.is_classic(),
            Self::From(first) => minor >= first,
            Self::Until(last) => minor <= last,
            Self::SixAndAHalf => release.is_classic() && minor != 21,
        }
    }
}

impl std::fmt::Display for Versions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("on every release"),
            Self::Classic => f.write_str("for classic maps only"),
            Self::Swiss => f.write_str("for Swiss maps only"),
            Self::From(first) => write!(f, "from Go 1.{first} on"),
            Self::Until(last) => write!(f, "up to Go 1.{last}"),
            Self::SixAndAHalf => f.write_str("for classic maps other than Go 1.21's"),
        }
    }
}

impl Quantity {
    /// A quantity that all releases have and whose model must agree exactly.
    pub(super) const fn exact(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, on: Versions::All, agreement: Agreement::Exact, expected: &[], over: "" }
    }

    /// A quantity that the model is to meet within a share of the figure and so much besides.
    pub(super) const fn within(
        share: f64,
        slack: f64,
        name: &'static str,
        unit: &'static str,
    ) -> Self {
        Self { agreement: Agreement::Within(share, slack), ..Self::exact(name, unit) }
    }

    /// A quantity of real Go alone.
    pub(super) const fn real(name: &'static str, unit: &'static str) -> Self {
        Self { agreement: Agreement::RealOnly, ..Self::exact(name, unit) }
    }

    /// A quantity of the model alone.
    pub(super) const fn model(name: &'static str, unit: &'static str) -> Self {
        Self { agreement: Agreement::ModelOnly, ..Self::exact(name, unit) }
    }

    /// Says which releases have it.
    pub(super) const fn on(self, on: Versions) -> Self {
        Self { on, ..self }
    }

    /// Says that its series is a curve, and what its places count.
    pub(super) const fn over(self, over: &'static str) -> Self {
        Self { over, ..self }
    }

    /// Says where it is known to lie.
    pub(super) const fn expected(self, expected: &'static [(Versions, f64, f64)]) -> Self {
        Self { expected, ..self }
    }

    /// Tells whether the figure of the model is near enough to that of real Go.
    pub fn agrees(&self, model: f64, real: f64) -> bool {
        match self.agreement {
            Agreement::Exact => model == real,
            Agreement::Within(share, slack) => (model - real).abs() <= share * real.abs() + slack,
            Agreement::RealOnly | Agreement::ModelOnly => true,
        }
    }
}

impl Measurement {
    /// A figure by itself.
    pub(super) const fn of(quantity: &'static str, value: f64) -> Self {
        Self { quantity, at: None, value }
    }

    /// A point of a series.
    pub(super) const fn at(quantity: &'static str, at: u64, value: f64) -> Self {
        Self { quantity, at: Some(at), value }
    }
}

/// Why what a program printed is not what its experiment measures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FigureError {
    /// A line that starts as a figure is none.
    #[error("line {line} is no figure: {text:?}")]
    Malformed {
        /// Its number, from 1.
        line: usize,
        /// What it says.
        text: String,
    },
    /// The experiment has no such quantity, or with another unit.
    #[error("line {line} gives {name:?} in {unit:?}, which the experiment does not measure")]
    Unknown {
        /// Its number, from 1.
        line: usize,
        /// The name.
        name: String,
        /// The unit.
        unit: String,
    },
    /// A quantity that the release should have is not there.
    #[error("there is no figure of {name:?}")]
    Missing {
        /// Its name.
        name: &'static str,
    },
}

/// More figures than this are no experiment's.
const MOST_FIGURES: usize = 10_000;

/// Reads what an experiment's program printed under a release.
///
/// # Errors
///
/// Fails if a figure is malformed, unknown or missing.
pub fn read_measurements(
    quantities: &'static [Quantity],
    release: &GoRelease,
    output: &str,
) -> Result<Vec<Measurement>, FigureError> {
    let mut measured = Vec::new();
    for (index, text) in output.lines().enumerate().take(MOST_FIGURES) {
        let Some(rest) = text.strip_prefix("QUANTITY\t") else { continue };
        let line = index + 1;
        let malformed = || FigureError::Malformed { line, text: text.to_owned() };
        let mut parts = rest.split('\t');
        let (Some(name), Some(value), Some(unit), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed());
        };
        let value: f64 = value.parse().map_err(|_| malformed())?;
        if !value.is_finite() {
            return Err(malformed());
        }
        let (name, at) = match name.split_once('@') {
            Some((name, at)) => (name, Some(at.parse().map_err(|_| malformed())?)),
            None => (name, None),
        };
        let known = quantities.iter().find(|quantity| {
            quantity.name == name
                && quantity.unit == unit
                && quantity.agreement != Agreement::ModelOnly
        });
        let Some(quantity) = known else {
            let (name, unit) = (name.to_owned(), unit.to_owned());
            return Err(FigureError::Unknown { line, name, unit });
        };
        measured.push(Measurement { quantity: quantity.name, at, value });
    }
    let missing = quantities.iter().find(|quantity| {
        quantity.agreement != Agreement::ModelOnly
            && quantity.on.contains(release)
            && !measured.iter().any(|figure| figure.quantity == quantity.name)
    });
    match missing {
        Some(quantity) => Err(FigureError::Missing { name: quantity.name }),
        None => Ok(measured),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUANTITIES: &[Quantity] = &[
        Quantity::exact("header", "bytes"),
        Quantity::within(0.1, 1.0, "point", "entries").on(Versions::Swiss),
        Quantity::model("misses", ""),
    ];

    fn read(minor: u32, output: &str) -> Result<Vec<Measurement>, FigureError> {
        read_measurements(QUANTITIES, &GoRelease::of(minor).unwrap(), output)
    }

    #[test]
    fn figures_and_points_of_series_are_read_and_other_lines_are_not() {
        let output = "a remark\nQUANTITY\theader\t48\tbytes\nQUANTITY\tpoint@2\t14.5\tentries\n";
        let expected = [Measurement::of("header", 48.0), Measurement::at("point", 2, 14.5)];
        assert_eq!(read(27, output).unwrap(), expected);
    }

    #[test]
    fn a_figure_that_the_release_should_have_is_missed() {
        let output = "QUANTITY\theader\t48\tbytes\n";
        assert!(read(23, output).is_ok());
        assert_eq!(read(24, output), Err(FigureError::Missing { name: "point" }));
    }

    #[test]
    fn what_is_no_figure_of_the_experiment_is_refused() {
        for line in
            ["header\tmany\tbytes", "header\t48", "header\tNaN\tbytes", "point@x\t1\tentries"]
        {
            let read = read(23, &format!("QUANTITY\t{line}\n"));
            assert!(matches!(read, Err(FigureError::Malformed { .. })), "{line}: {read:?}");
        }
        for line in ["header\t48\tobjects", "size\t48\tbytes", "misses\t1\t"] {
            let read = read(23, &format!("QUANTITY\t{line}\n"));
            assert!(matches!(read, Err(FigureError::Unknown { .. })), "{line}: {read:?}");
        }
    }

    #[test]
    fn tolerances_count_from_the_real_figure() {
        assert!(QUANTITIES[0].agrees(48.0, 48.0) && !QUANTITIES[0].agrees(48.0, 49.0));
        assert!(QUANTITIES[1].agrees(112.0, 102.0) && !QUANTITIES[1].agrees(113.0, 101.0));
    }
}
