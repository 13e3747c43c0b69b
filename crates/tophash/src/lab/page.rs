//! All experiments on one page in Markdown.
//!
//! Figures of the model and of real Go stand in rows of their own, so that a page without real Go
//! is the same less those rows.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use tophash_lab::{Agreement, Measurement, Model};

use super::curves;
use super::study::{ReleaseStudy, Study};
use super::table::spell;
use crate::report::chart;

/// The cell that rows of real Go have.
const REAL: &str = "real";

/// Writes the page, and its charts as SVG into a folder beside it that has the page's name.
pub(crate) fn write(path: &Path, studies: &[Study]) -> Result<()> {
    let folder = path.with_extension("");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("{} can't be made", folder.display()))?;
    let stem = folder.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
    for study in studies {
        for (index, (_, chart)) in curves::charts(study).iter().enumerate() {
            let file = folder.join(chart_name(study, index));
            std::fs::write(&file, chart::svg(chart))
                .with_context(|| format!("{} can't be written", file.display()))?;
        }
    }
    std::fs::write(path, render(studies, &stem))
        .with_context(|| format!("{} can't be written", path.display()))
}

fn chart_name(study: &Study, index: usize) -> String {
    format!("{}-{}.svg", study.experiment.name, index + 1)
}

fn render(studies: &[Study], folder: &str) -> String {
    let mut page = String::from(
        "# Folklore about the memory of Go maps\n\n\
         What is told of Go's maps, what the model gives, and what real Go gives. Each experiment is \
         run by\n`tophash lab run NAME`, and held against a Go toolchain by `tophash lab verify --go \
         GOROOT`. This page\nis written by `cargo xtask folklore`, and not edited by hand. Counts and \
         bytes are stable; times are noisy.\n\n\
         ## Verdicts\n\n| experiment | what is told | figure | verdict | why |\n| --- | --- | --- | --- \
         | --- |\n",
    );
    for study in studies {
        for claim in study.experiment.claims {
            line(
                &mut page,
                [
                    &*format!("[{0}](#{0})", study.experiment.name),
                    claim.says,
                    claim.figure,
                    &*claim.verdict.to_string(),
                    claim.because,
                ],
            );
        }
    }
    for study in studies {
        section(&mut page, study, folder);
    }
    page
}

fn section(page: &mut String, study: &Study, folder: &str) {
    let experiment = study.experiment;
    page.push_str(&format!(
        "\n## {}\n\n**{}** {}\n",
        experiment.name, experiment.question, experiment.method
    ));
    if let Model::Without(reason) = experiment.model {
        page.push_str(&format!("\nReal Go alone: {reason}.\n"));
    }
    for (index, (name, _)) in curves::charts(study).iter().enumerate() {
        page.push_str(&format!("\n![{name}]({folder}/{})\n", chart_name(study, index)));
    }
    let releases = study.releases.iter().map(|release| release.name.as_str());
    page.push('\n');
    line(page, ["quantity", "unit", "side"].into_iter().chain(releases));
    line(page, (0..3 + study.releases.len()).map(|_| "---"));
    for quantity in experiment.quantities {
        if quantity.agreement != Agreement::RealOnly {
            rows(page, study, quantity.name, quantity.unit, "model", |release| {
                release.model.as_deref()
            });
        }
        rows(page, study, quantity.name, quantity.unit, REAL, |release| {
            release.real.first().map(|real| &*real.measured)
        });
    }
}

fn rows<'s>(
    page: &mut String,
    study: &'s Study,
    name: &str,
    unit: &str,
    side: &str,
    of: impl Fn(&'s ReleaseStudy) -> Option<&'s [Measurement]>,
) {
    let figures = |release| of(release).unwrap_or_default();
    let mut places: Vec<Option<u64>> = study
        .releases
        .iter()
        .flat_map(figures)
        .filter(|figure| figure.quantity == name)
        .map(|figure| figure.at)
        .collect();
    places.sort_unstable();
    places.dedup();
    for at in places {
        let name_there = at.map_or(name.to_owned(), |at| format!("{name}: {at}"));
        let values: Vec<String> = study
            .releases
            .iter()
            .map(|release| {
                figures(release)
                    .iter()
                    .find(|figure| figure.quantity == name && figure.at == at)
                    .map_or(String::new(), |figure| spell(figure.value))
            })
            .collect();
        let cells = [&*name_there, unit, side].into_iter().chain(values.iter().map(String::as_str));
        line(page, cells);
    }
}

/// Writes a row of a table.
fn line<'c>(page: &mut String, cells: impl IntoIterator<Item = &'c str>) {
    page.push('|');
    for cell in cells {
        // A bar would end the cell; writing to a string can't fail.
        let _ = write!(page, " {} |", cell.replace('|', "\\|"));
    }
    page.push('\n');
}
