//! Experiments as JSON; the shape is documented in `docs/json.md`.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;
use tophash_lab::{Experiment, Measurement, Model};

use super::study::{ReleaseStudy, Study};

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    experiments: Vec<ExperimentJson<'a>>,
}

#[derive(Serialize)]
struct ExperimentJson<'a> {
    name: &'a str,
    question: &'a str,
    method: &'a str,
    claims: Vec<ClaimJson<'a>>,
    /// Why the model does not cover it.
    without_model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    releases: Option<Vec<ReleaseJson<'a>>>,
}

#[derive(Serialize)]
struct ClaimJson<'a> {
    row: &'a str,
    says: &'a str,
    figure: &'a str,
    verdict: String,
    because: &'a str,
}

#[derive(Serialize)]
struct ReleaseJson<'a> {
    go: &'a str,
    model: Option<Vec<FigureJson<'a>>>,
    real: Vec<RealJson<'a>>,
    disagreements: Vec<DisagreementJson<'a>>,
}

#[derive(Serialize)]
struct RealJson<'a> {
    version: &'a str,
    figures: Vec<FigureJson<'a>>,
}

#[derive(Serialize)]
struct FigureJson<'a> {
    quantity: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    value: f64,
    unit: &'a str,
}

#[derive(Serialize)]
struct DisagreementJson<'a> {
    of: &'a str,
    says: String,
}

pub(crate) fn list(out: &mut dyn Write, experiments: &[&'static Experiment]) -> Result<()> {
    let experiments = experiments.iter().map(|experiment| of_experiment(experiment)).collect();
    print(out, &Document { schema: 1, experiments })
}

pub(crate) fn studies(out: &mut dyn Write, studies: &[Study]) -> Result<()> {
    let experiments = studies
        .iter()
        .map(|study| ExperimentJson {
            releases: Some(
                study.releases.iter().map(|one| of_release(study.experiment, one)).collect(),
            ),
            ..of_experiment(study.experiment)
        })
        .collect();
    print(out, &Document { schema: 1, experiments })
}

fn of_experiment(experiment: &'static Experiment) -> ExperimentJson<'static> {
    ExperimentJson {
        name: experiment.name,
        question: experiment.question,
        method: experiment.method,
        claims: experiment
            .claims
            .iter()
            .map(|claim| ClaimJson {
                row: claim.row,
                says: claim.says,
                figure: claim.figure,
                verdict: claim.verdict.to_string(),
                because: claim.because,
            })
            .collect(),
        without_model: match experiment.model {
            Model::Runs(_) => None,
            Model::Without(reason) => Some(reason),
        },
        releases: None,
    }
}

fn of_release<'a>(experiment: &'static Experiment, study: &'a ReleaseStudy) -> ReleaseJson<'a> {
    let figures = |measured: &[Measurement]| {
        let figure = |figure: &Measurement| FigureJson {
            quantity: figure.quantity,
            at: figure.at,
            value: figure.value,
            unit: experiment.quantity(figure.quantity).map_or("", |quantity| quantity.unit),
        };
        measured.iter().map(figure).collect()
    };
    ReleaseJson {
        go: &study.name,
        model: study.model.as_deref().map(figures),
        real: study
            .real
            .iter()
            .map(|real| RealJson { version: &real.version, figures: figures(&real.measured) })
            .collect(),
        disagreements: study
            .disagreements
            .iter()
            .map(|(of, says)| DisagreementJson { of, says: says.to_string() })
            .collect(),
    }
}

fn print(out: &mut dyn Write, document: &Document<'_>) -> Result<()> {
    serde_json::to_writer_pretty(&mut *out, document).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}
