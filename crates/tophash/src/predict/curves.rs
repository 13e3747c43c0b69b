//! What a map retains from its first entry to its last, as lines of a chart.

use tophash_lab::retained_along;

use super::{Forecast, Row};
use crate::report::chart::{Axis, Chart, Scale, Series, Unit};
use crate::report::style::count;

/// Points of a line.
const POINTS: u32 = 600;
/// Lines that differ by less than a part of so many are one.
const ALIKE: u64 = 50;

/// Draws bytes against entries; releases whose lines are the same share one.
pub(super) fn chart(forecast: &Forecast) -> Chart {
    let counts = counts(forecast.plan.entries);
    let mut lines: Vec<(Vec<&Row>, Vec<u64>)> = Vec::new();
    for row in &forecast.rows {
        let (key, elem) = (&row.map.key, &row.map.elem);
        let bytes = retained_along(&row.release, key, elem, forecast.plan.hint, &counts);
        let is_same = |(rows, other): &&mut (Vec<&Row>, Vec<u64>)| {
            rows.first().is_some_and(|first| first.design() == row.design())
                && other.iter().zip(&bytes).filter(|(a, b)| !is_close(**a, **b)).count()
                    < counts.len() / 50
        };
        match lines.iter_mut().find(is_same) {
            Some((rows, _)) => rows.push(row),
            None => lines.push((vec![row], bytes)),
        }
    }
    let series = lines
        .into_iter()
        .map(|(rows, bytes)| {
            let names: Vec<&str> = rows.iter().map(|row| row.release.name()).collect();
            let design = rows.first().map_or("", |row| row.design());
            let mut points: Vec<(f64, f64)> = Vec::new();
            for (&n, bytes) in counts.iter().zip(bytes) {
                // Bytes change at an entry, and not between two.
                points.extend(points.last().map(|before| (n as f64, before.1)));
                points.push((n as f64, bytes as f64));
            }
            Series { name: format!("Go {} ({design})", names.join(", ")), points }
        })
        .collect();
    let hint = match forecast.plan.hint {
        0 => String::new(),
        hint => format!(", made for {}", count(hint)),
    };
    Chart {
        title: format!("{}{hint}", forecast.spelling),
        x: Axis { label: "entries".to_owned(), unit: Unit::Count, scale: Scale::Log },
        y: Axis { label: "bytes retained".to_owned(), unit: Unit::Bytes, scale: Scale::Log },
        series,
    }
}

/// Counts of entries that are as far from each other in logarithms.
fn counts(most: u64) -> Vec<u64> {
    let most = most.max(16);
    let power = (most as f64).ln() / f64::from(POINTS);
    let mut counts: Vec<u64> =
        (0..=POINTS).map(|step| (f64::from(step) * power).exp().round() as u64).collect();
    counts.push(most);
    counts.retain(|count| *count <= most);
    counts.dedup();
    counts
}

fn is_close(a: u64, b: u64) -> bool {
    a.abs_diff(b) <= a.max(b) / ALIKE
}
