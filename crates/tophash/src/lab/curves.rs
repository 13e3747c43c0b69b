//! The model's figures that form a curve, as charts.

use tophash_lab::{Measurement, Quantity};

use super::study::Study;
use crate::report::chart::{Axis, Chart, Scale, Series, Unit};

/// From such a ratio of the largest place or figure to the least on, an axis is logarithmic.
const WIDE: f64 = 64.0;

/// The releases of a line, and its points.
type Line<'s> = (Vec<&'s str>, Vec<(f64, f64)>);

/// Draws every quantity of an experiment that forms a curve, under its name.
pub(super) fn charts(study: &Study) -> Vec<(&'static str, Chart)> {
    let quantities = study.experiment.quantities.iter();
    quantities
        .filter(|quantity| !quantity.over.is_empty())
        .filter_map(|quantity| Some((quantity.name, chart(study, quantity)?)))
        .collect()
}

fn chart(study: &Study, quantity: &'static Quantity) -> Option<Chart> {
    // Releases that have the same figures share a line.
    let mut lines: Vec<Line<'_>> = Vec::new();
    for release in &study.releases {
        let point = |figure: &Measurement| Some((figure.at? as f64, figure.value));
        let measured = release.model.iter().flatten();
        let points: Vec<_> =
            measured.filter(|figure| figure.quantity == quantity.name).filter_map(point).collect();
        match lines.iter_mut().find(|(_, same)| *same == points) {
            Some((names, _)) => names.push(&release.name),
            None => lines.push((vec![&release.name], points)),
        }
    }
    lines.retain(|(_, points)| points.len() > 1);
    if lines.is_empty() {
        return None;
    }
    let all = || lines.iter().flat_map(|(_, points)| points);
    let axis = |label: &str, unit: &str, of: fn(&(f64, f64)) -> f64| {
        let least = all().map(of).fold(f64::INFINITY, f64::min);
        let most = all().map(of).fold(0.0, f64::max);
        Axis {
            label: label.to_owned(),
            unit: if unit.starts_with("bytes") { Unit::Bytes } else { Unit::Count },
            scale: if least > 0.0 && most / least >= WIDE { Scale::Log } else { Scale::Linear },
        }
    };
    Some(Chart {
        title: quantity.name.to_owned(),
        x: axis(quantity.over, quantity.over, |point| point.0),
        y: axis(quantity.unit, quantity.unit, |point| point.1),
        series: lines
            .iter()
            .map(|(names, points)| Series {
                name: format!("Go {}", names.join(", ")),
                points: points.clone(),
            })
            .collect(),
    })
}
