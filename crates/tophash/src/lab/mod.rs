//! `tophash lab`: folklore about the memory of Go maps, held against the model and against real Go.
//!
//! What there is to be measured, and what is to be made of it, is in `tophash-lab`. Here programs
//! are built and run, and results printed.

mod curves;
mod fault;
mod go;
mod json;
mod page;
mod replay;
mod study;
mod table;

use anyhow::{Context, Result, bail};
use tophash_lab::{Experiment, GoRelease, all_experiments};

use crate::Outcome;
use crate::args::{Format, LabCommand, LabOptions, LabRunOptions, LabVerifyOptions};
use crate::progress::Progress;
use go::Toolchain;
use study::{Real, Study};

pub(crate) fn run(options: &LabOptions) -> Result<Outcome> {
    match &options.command {
        LabCommand::List(list) => {
            let mut out = anstream::stdout().lock();
            match list.format {
                Format::Table => table::list(&mut out, all_experiments())?,
                Format::Json => json::list(&mut out, all_experiments())?,
            }
            Ok(Outcome::Done)
        }
        LabCommand::Run(options) => run_model(options),
        LabCommand::Verify(options) => verify(options),
        LabCommand::Fault(options) => fault::run(options).map(|()| Outcome::Done),
        LabCommand::Replay(options) => replay::run(options).map(|()| Outcome::Done),
    }
}

fn run_model(options: &LabRunOptions) -> Result<Outcome> {
    let experiments = chosen(&options.names, options.all)?;
    let progress = Progress::new();
    let studies = model_studies(&experiments, &progress)?;
    drop(progress);
    if let Some(path) = &options.page {
        page::write(path, &studies)?;
    }
    let mut out = anstream::stdout().lock();
    match options.format {
        Format::Table => studies.iter().try_for_each(|study| table::study(&mut out, study))?,
        Format::Json => json::studies(&mut out, &studies)?,
    }
    Ok(outcome(&studies))
}

fn verify(options: &LabVerifyOptions) -> Result<Outcome> {
    let experiments = chosen(&options.names, options.names.is_empty())?;
    let toolchains: Vec<Toolchain> =
        options.go.iter().map(|place| Toolchain::find(place)).collect::<Result<_>>()?;
    let progress = Progress::new();
    let mut studies = model_studies(&experiments, &progress)?;
    for toolchain in &toolchains {
        let release = toolchain.release();
        progress.step(format!("{}: building the experiments", toolchain.version()));
        let programs = toolchain.build(all_experiments())?;
        let count = studies.len();
        for (index, study) in studies.iter_mut().enumerate() {
            let name = study.experiment.name;
            progress.step(format!("{}: {name} ({} of {count})", toolchain.version(), index + 1));
            let measured = programs.run(study.experiment, options.timeout)?;
            study.add_real(Real { version: toolchain.version().to_owned(), measured }, release);
        }
    }
    drop(progress);
    if let Some(path) = &options.page {
        page::write(path, &studies)?;
    }
    let mut out = anstream::stdout().lock();
    match options.format {
        Format::Table => table::verified(&mut out, &studies)?,
        Format::Json => json::studies(&mut out, &studies)?,
    }
    Ok(outcome(&studies))
}

/// Finds the experiments of such names, or all.
fn chosen(names: &[String], all: bool) -> Result<Vec<&'static Experiment>> {
    if all {
        return Ok(all_experiments().to_vec());
    }
    if names.is_empty() {
        bail!("no experiment is named; tophash lab list shows them, --all runs each");
    }
    let found = |name: &String| {
        Experiment::named(name)
            .with_context(|| format!("there is no experiment {name:?}; tophash lab list shows all"))
    };
    names.iter().map(found).collect()
}

/// Runs the model's side.
fn model_studies(experiments: &[&'static Experiment], progress: &Progress) -> Result<Vec<Study>> {
    let releases = GoRelease::all()?;
    experiments
        .iter()
        .map(|experiment| {
            progress.step(format!("the model: {}", experiment.name));
            Study::of_model(experiment, &releases)
        })
        .collect()
}

fn outcome(studies: &[Study]) -> Outcome {
    let agree = studies.iter().all(|study| study.disagreements().next().is_none());
    if agree { Outcome::Done } else { Outcome::Found }
}
