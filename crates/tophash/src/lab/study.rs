//! One experiment with what was measured of it.

use anyhow::{Context, Result};
use tophash_lab::{
    Disagreement, Experiment, GoRelease, Measurement, check_claims, check_model, check_ranges,
};

/// One experiment with what was measured of it.
pub(crate) struct Study {
    pub(crate) experiment: &'static Experiment,
    /// One for each known release, the oldest first.
    pub(crate) releases: Vec<ReleaseStudy>,
}

/// The same under one release.
pub(crate) struct ReleaseStudy {
    /// The release, as `1.27`.
    pub(crate) name: String,
    /// `None` where the model does not cover the experiment.
    pub(crate) model: Option<Vec<Measurement>>,
    /// What each toolchain of the release measured.
    pub(crate) real: Vec<Real>,
    /// What should agree and does not, with whose figures it is about.
    pub(crate) disagreements: Vec<(String, Disagreement)>,
}

/// What a toolchain measured.
pub(crate) struct Real {
    pub(crate) version: String,
    pub(crate) measured: Vec<Measurement>,
}

impl Study {
    /// Runs the model's side on every release.
    pub(crate) fn of_model(
        experiment: &'static Experiment,
        releases: &[GoRelease],
    ) -> Result<Self> {
        let study = |release: &GoRelease| -> Result<ReleaseStudy> {
            let name = format!("1.{}", release.minor());
            let model = experiment
                .run_model(release)
                .with_context(|| format!("the model of {} for Go {name}", experiment.name))?;
            let measured = model.as_deref().unwrap_or_default();
            let about = format!("the model of Go {name}");
            let disagreements = check_ranges(experiment, release, measured)
                .into_iter()
                .chain(check_claims(experiment, release, measured))
                .map(|disagreement| (about.clone(), disagreement))
                .collect();
            Ok(ReleaseStudy { name, model, real: Vec::new(), disagreements })
        };
        Ok(Self { experiment, releases: releases.iter().map(study).collect::<Result<_>>()? })
    }

    /// Adds what real Go measured, and compares.
    pub(crate) fn add_real(&mut self, real: Real, release: &GoRelease) {
        let name = format!("1.{}", release.minor());
        let Some(study) = self.releases.iter_mut().find(|study| study.name == name) else { return };
        let mut found = check_ranges(self.experiment, release, &real.measured);
        found.extend(check_claims(self.experiment, release, &real.measured));
        if let Some(model) = &study.model {
            found.extend(check_model(self.experiment, release, model, &real.measured));
        }
        let about = found.into_iter().map(|disagreement| (real.version.clone(), disagreement));
        study.disagreements.extend(about);
        study.real.push(real);
    }

    /// All that should agree and does not, with whose figures it is about.
    pub(crate) fn disagreements(&self) -> impl Iterator<Item = &(String, Disagreement)> {
        self.releases.iter().flat_map(|release| &release.disagreements)
    }
}
