//! Experiments for a person at a terminal.

use std::io::Write;

use anyhow::Result;
use comfy_table::{Cell, Color};
use tophash_lab::{Claim, Experiment, Measurement, Model, Verdict};

use super::curves;
use super::study::{ReleaseStudy, Study};
use crate::report::chart;
use crate::report::style::{dim, heading, warning};
use crate::report::table::{align_right, plain_table};

/// Characters of a chart's width.
const WIDTH: usize = 100;
/// A series has up to so many rows.
const POINTS: usize = 12;

pub(crate) fn list(out: &mut dyn Write, experiments: &[&'static Experiment]) -> Result<()> {
    let mut table = plain_table(&["NAME", "QUESTION", "CLAIMS", "HOLD", "MODEL"]);
    for experiment in experiments {
        let hold = experiment.claims.iter().filter(|claim| claim.verdict == Verdict::Holds).count();
        let part = experiment.claims.iter().filter(|claim| is_partial(claim.verdict)).count();
        let hold = match (hold, part) {
            (hold, 0) => hold.to_string(),
            (hold, part) => format!("{hold} + {part} in part"),
        };
        table.add_row([
            Cell::new(experiment.name),
            Cell::new(experiment.question),
            Cell::new(experiment.claims.len()),
            Cell::new(hold),
            Cell::new(match experiment.model {
                Model::Runs(_) => "yes",
                Model::Without(_) => "",
            }),
        ]);
    }
    align_right(&mut table, &[2]);
    writeln!(out, "{table}")?;
    let claims: usize = experiments.iter().map(|experiment| experiment.claims.len()).sum();
    writeln!(
        out,
        "\n{claims} pieces of folklore in {} experiments. Next: tophash lab run NAME, tophash lab \
         verify --go GOROOT.",
        experiments.len()
    )?;
    Ok(())
}

fn is_partial(verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::Holds | Verdict::DoesNotHold)
}

/// Prints one experiment with the model's figures.
pub(crate) fn study(out: &mut dyn Write, study: &Study) -> Result<()> {
    let experiment = study.experiment;
    writeln!(out, "{} {}", heading(experiment.name), experiment.question)?;
    writeln!(out, "{}\n", dim(experiment.method))?;
    for claim in experiment.claims {
        print_claim(out, claim)?;
    }
    match experiment.model {
        Model::Without(reason) => {
            writeln!(out, "\nThe model is not asked: {reason}. Real Go is: tophash lab verify.\n")?;
        }
        Model::Runs(_) => {
            writeln!(out, "\n{}\n", figures(study))?;
            for (_, chart) in curves::charts(study) {
                writeln!(out, "{}", chart::terminal(&chart, WIDTH))?;
            }
        }
    }
    print_disagreements(out, study)
}

fn print_claim(out: &mut dyn Write, claim: &Claim) -> Result<()> {
    let figure = match claim.figure {
        "" => String::new(),
        figure => format!(" ({figure})"),
    };
    writeln!(out, "  told     {}{figure}", claim.says)?;
    writeln!(out, "  verdict  {}: {}", heading(&claim.verdict.to_string()), claim.because)?;
    Ok(())
}

/// The model's figures; releases that have the same share a column.
fn figures(study: &Study) -> comfy_table::Table {
    let mut columns: Vec<(Vec<&str>, &[Measurement])> = Vec::new();
    for release in &study.releases {
        let measured = release.model.as_deref().unwrap_or_default();
        match columns.iter_mut().find(|(_, same)| *same == measured) {
            Some((names, _)) => names.push(&release.name),
            None => columns.push((vec![&release.name], measured)),
        }
    }
    let heads: Vec<String> =
        columns.iter().map(|(names, _)| format!("GO {}", names.join(" "))).collect();
    let mut all = vec!["QUANTITY"];
    all.extend(heads.iter().map(String::as_str));
    all.push("");
    let mut table = plain_table(&all);
    for quantity in study.experiment.quantities {
        let mut places: Vec<Option<u64>> = columns
            .iter()
            .flat_map(|(_, measured)| *measured)
            .filter(|figure| figure.quantity == quantity.name)
            .map(|figure| figure.at)
            .collect();
        places.sort_unstable();
        places.dedup();
        let step = places.len().div_ceil(POINTS).max(1);
        for at in places.iter().rev().step_by(step).rev() {
            let name = at.map_or(quantity.name.to_owned(), |at| format!("{} {at}", quantity.name));
            let mut row = vec![Cell::new(name)];
            for (_, measured) in &columns {
                row.push(Cell::new(value_at(measured, quantity.name, *at)));
            }
            row.push(Cell::new(quantity.unit));
            table.add_row(row);
        }
    }
    align_right(&mut table, &(1..=columns.len()).collect::<Vec<_>>());
    table
}

fn value_at(measured: &[Measurement], quantity: &str, at: Option<u64>) -> String {
    measured
        .iter()
        .find(|figure| figure.quantity == quantity && figure.at == at)
        .map_or(String::new(), |figure| spell(figure.value))
}

/// Spells a figure: whole numbers with commas, others with three digits behind the point.
pub(crate) fn spell(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        let digits = crate::report::style::count(value.abs() as u64);
        return if value < 0.0 { format!("-{digits}") } else { digits };
    }
    if value.abs() >= 1000.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

fn print_disagreements(out: &mut dyn Write, study: &Study) -> Result<()> {
    for (of, disagreement) in study.disagreements() {
        writeln!(out, "{} {} ({of}): {disagreement}", warning("disagrees"), study.experiment.name)?;
    }
    Ok(())
}

/// Prints what came of holding the model and the verdicts against real Go.
pub(crate) fn verified(out: &mut dyn Write, studies: &[Study]) -> Result<()> {
    let versions = studies.first().map_or(Vec::new(), |study| {
        study.releases.iter().flat_map(|release| &release.real).map(|real| &*real.version).collect()
    });
    let mut heads = vec!["EXPERIMENT", "CLAIMS", "MODEL"];
    heads.extend(&versions);
    let mut table = plain_table(&heads);
    for study in studies {
        let model = match study.experiment.model {
            Model::Without(_) => Cell::new("real Go alone"),
            Model::Runs(_) => Cell::new("compared"),
        };
        let mut row =
            vec![Cell::new(study.experiment.name), Cell::new(study.experiment.claims.len()), model];
        for release in &study.releases {
            row.extend(release.real.iter().map(|real| state(release, &real.version)));
        }
        table.add_row(row);
    }
    align_right(&mut table, &[1]);
    writeln!(out, "{table}\n")?;
    for study in studies {
        print_disagreements(out, study)?;
    }
    let faults = studies.iter().flat_map(Study::disagreements).count();
    let compared: usize = studies
        .iter()
        .flat_map(|study| &study.releases)
        .flat_map(|release| &release.real)
        .map(|real| real.measured.len())
        .sum();
    let compared = crate::report::style::count(compared as u64);
    match faults {
        0 => writeln!(out, "{compared} figures of real Go agree with the model and the verdicts.")?,
        faults => writeln!(out, "{faults} disagreements in {compared} figures of real Go.")?,
    }
    Ok(())
}

fn state(release: &ReleaseStudy, version: &str) -> Cell {
    let model = format!("the model of Go {}", release.name);
    let faults =
        release.disagreements.iter().filter(|(of, _)| of == version || *of == model).count();
    match faults {
        0 => Cell::new("agrees"),
        faults => Cell::new(format!("{faults} disagree")).fg(Color::Yellow),
    }
}

#[cfg(test)]
mod tests {
    use super::spell;

    #[test]
    fn figures_are_spelled_whole_where_they_are_whole() {
        let texts = [0.0, 48.0, 1_234_567.0, -3.0, 0.5, 1.23456, 123_456.789].map(spell);
        assert_eq!(texts, ["0", "48", "1,234,567", "-3", "0.500", "1.235", "123457"]);
    }
}
