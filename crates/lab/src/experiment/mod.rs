//! Folklore about the memory of Go maps, each piece of it as an experiment.
//!
//! An [`Experiment`] asks one question. Its [`Claim`]s tell the folklore in our own words and say
//! within which bounds of which figure it would be true; its [`Quantity`]s are those figures. Two
//! sides measure them: the model, in this crate, and a Go program ([`Experiment::program`]) that
//! the caller builds and runs with any toolchain. Nothing here runs a process or prints.
//!
//! What is compared, so that each part can fail:
//!
//! - model and real Go, figure by figure, within the [`Agreement`] that the quantity states;
//! - real Go (and the model) with the range that the quantity is known to lie in;
//! - each claim's [`Verdict`] with what the figures of every release say of it.

mod catalogue;
mod claim;
mod comparison;
mod quantity;
mod release;
mod rig;
mod sync_maps;
mod world;

pub use catalogue::all as all_experiments;
pub use claim::{Bound, Claim, Outcome, Verdict};
pub use comparison::{Disagreement, check_claims, check_model, check_ranges};
pub use quantity::{Agreement, FigureError, Measurement, Quantity, Versions, read_measurements};
pub use release::{ExperimentError, GoRelease};

/// One question, and all that it takes to answer it.
#[derive(Debug)]
pub struct Experiment {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it asks.
    pub question: &'static str,
    /// How the figures come about.
    pub method: &'static str,
    /// The folklore.
    pub claims: &'static [Claim],
    /// The figures.
    pub quantities: &'static [Quantity],
    /// The model's side.
    pub model: Model,
    /// The Go program of the real side: one file of package `main` that registers itself with
    /// [`HARNESS`] under the experiment's name.
    pub program: &'static str,
}

/// The file that every experiment's program is built with.
pub const HARNESS: &str = include_str!("../../experiments/harness.go");

/// The model's side of an experiment.
#[derive(Debug, Clone, Copy)]
pub enum Model {
    /// Measures every quantity that is not [real alone](Agreement::RealOnly).
    Runs(fn(&GoRelease) -> Result<Vec<Measurement>, ExperimentError>),
    /// There is none, for this reason.
    Without(&'static str),
}

impl Experiment {
    /// Finds an experiment by its name.
    pub fn named(name: &str) -> Option<&'static Self> {
        all_experiments().iter().copied().find(|experiment| experiment.name == name)
    }

    /// Returns what the model measures; nothing where it does not cover the experiment.
    ///
    /// # Errors
    ///
    /// As the model.
    pub fn run_model(
        &self,
        release: &GoRelease,
    ) -> Result<Option<Vec<Measurement>>, ExperimentError> {
        match self.model {
            Model::Runs(run) => run(release).map(Some),
            Model::Without(_) => Ok(None),
        }
    }

    /// Finds a quantity by its name.
    pub fn quantity(&self, name: &str) -> Option<&'static Quantity> {
        self.quantities.iter().find(|quantity| quantity.name == name)
    }
}
