//! `tophash predict`: what a map will cost, for every Go release.

mod curves;
mod named_types;

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use tophash_gomap::{
    MapDesign, StandardTypes, TypeError, TypeFault, TypeNames, WrittenMapType, parse_map_type,
};
use tophash_lab::{MAX_ENTRIES, NamedRelease, Plan, Prediction, predict};

use crate::args::{Deletion, Format, Hint, PredictOptions};
use crate::report::chart;
use crate::report::{predict_json, predict_table};

/// What is predicted of one map under all releases that were asked for.
pub(crate) struct Forecast {
    pub(crate) spelling: String,
    pub(crate) plan: Plan,
    pub(crate) rows: Vec<Row>,
    /// What would be cheaper, under the newest release.
    pub(crate) advice: Vec<Advice>,
}

/// A release, and what the map costs under it.
pub(crate) struct Row {
    pub(crate) release: NamedRelease,
    pub(crate) map: WrittenMapType,
    pub(crate) prediction: Prediction,
}

impl Row {
    pub(crate) fn design(&self) -> &'static str {
        self.release.design_name()
    }
}

/// Something that costs less.
pub(crate) struct Advice {
    pub(crate) go: String,
    pub(crate) what: AdviceKind,
    pub(crate) now: Prediction,
    pub(crate) then: Prediction,
}

pub(crate) enum AdviceKind {
    /// The hint that the map should be made with.
    Hint(u64),
    /// What is left, copied into a map made for it.
    Copy(u64),
    /// Another layout of groups.
    SplitGroups,
}

pub(crate) fn run(options: &PredictOptions) -> Result<()> {
    let releases = releases(&options.go)?;
    let plan = plan(options)?;
    let given = named_types::read(options.types.as_deref())?;
    let forecast = given.with(|names| forecast(&options.map_type, names, releases, plan));
    let forecast = forecast.map_err(|fault| with_place(fault, options.types.as_deref()))?;
    let mut out = io::BufWriter::new(anstream::stdout().lock());
    match options.format {
        Format::Json => predict_json::print(&mut out, &forecast)?,
        Format::Table => predict_table::print(&mut out, &forecast, options)?,
    }
    if options.chart || options.svg.is_some() {
        let drawn = curves::chart(&forecast);
        if options.chart && options.format == Format::Table {
            let width = comfy_table::Table::new().width().map_or(100, usize::from);
            write!(out, "\n{}", chart::terminal(&drawn, width))?;
        }
        if let Some(path) = &options.svg {
            std::fs::write(path, chart::svg(&drawn))
                .with_context(|| format!("{} can't be written", path.display()))?;
        }
    }
    out.flush()?;
    Ok(())
}

/// Says of a name that is not known where it was looked up.
fn with_place(fault: anyhow::Error, types: Option<&Path>) -> anyhow::Error {
    let unknown = fault.downcast_ref::<TypeError>().map(|error| &error.fault);
    match (unknown, types) {
        (Some(TypeFault::UnknownType { .. }), Some(path)) => {
            let path = path.display();
            anyhow!(
                "{fault}\n{path} declares none (of a program's types, the linker keeps those used)"
            )
        }
        _ => fault,
    }
}

fn releases(wanted: &[String]) -> Result<Vec<NamedRelease>> {
    let mut found = match wanted {
        [] => NamedRelease::all()?,
        names => names.iter().map(|name| NamedRelease::named(name)).collect::<Result<_, _>>()?,
    };
    found.dedup_by(|a, b| a.name() == b.name());
    Ok(found)
}

fn plan(options: &PredictOptions) -> Result<Plan> {
    let entries = options.entries;
    if entries > MAX_ENTRIES {
        bail!("{entries} entries are more than an address space holds");
    }
    let hint = match options.hint {
        None => 0,
        Some(Hint::Entries) => entries,
        Some(Hint::Count(count)) => count.min(MAX_ENTRIES),
    };
    let deleted = match options.delete {
        None => 0,
        Some(Deletion::Count(count)) if count > entries => {
            bail!("{count} of {entries} entries can't be deleted");
        }
        Some(Deletion::Count(count)) => count,
        Some(Deletion::Percent(percent)) => (entries as f64 * percent / 100.0).round() as u64,
    };
    Ok(Plan { entries, hint, deleted: deleted.min(entries) })
}

fn forecast(
    text: &str,
    names: &dyn TypeNames,
    releases: Vec<NamedRelease>,
    plan: Plan,
) -> Result<Forecast> {
    // The standard library's types differ from release to release.
    let with_types: Vec<(NamedRelease, WrittenMapType)> = releases
        .into_iter()
        .map(|release| {
            let map = parse_map_type(text, &(names, &StandardTypes::of(release.minor())))?;
            Ok((release, map))
        })
        .collect::<Result<_>>()?;
    let rows: Vec<Row> = std::thread::scope(|scope| {
        let started: Vec<_> = with_types
            .into_iter()
            .map(|(release, map)| {
                scope.spawn(move || {
                    let prediction = predict(&release, &map.key, &map.elem, plan);
                    Row { release, map, prediction }
                })
            })
            .collect();
        started.into_iter().filter_map(|row| row.join().ok()).collect()
    });
    let Some(newest) = rows.last() else { bail!("no release to predict for") };
    let (spelling, advice) = (newest.map.spelling.clone(), advice(newest, plan)?);
    Ok(Forecast { spelling, plan, rows, advice })
}

/// Looks for what would cost a good deal less.
fn advice(row: &Row, plan: Plan) -> Result<Vec<Advice>> {
    let WrittenMapType { key, elem, .. } = &row.map;
    let mut found = Vec::new();
    let mut offer = |go: &str, what, then| {
        found.push(Advice { go: go.to_owned(), what, now: row.prediction, then });
    };
    if plan.hint < plan.entries && plan.entries > 8 {
        let hint = plan.entries;
        let then = predict(&row.release, key, elem, Plan { hint, ..plan });
        let saves = |now: u64, then: u64| then.saturating_add(now / 10) < now;
        if saves(row.prediction.allocated_bytes, then.allocated_bytes) {
            offer(row.release.name(), AdviceKind::Hint(hint), then);
        }
    }
    let left = plan.entries - plan.deleted;
    if plan.deleted > 0 {
        let then = predict(&row.release, key, elem, Plan { entries: left, hint: left, deleted: 0 });
        if then.retained_bytes < row.prediction.retained_bytes / 2 {
            offer(row.release.name(), AdviceKind::Copy(left), then);
        }
    }
    if row.release.design() == MapDesign::Swiss
        && let Ok(split) = NamedRelease::named(&format!("{}-mapsplitgroup", row.release.name()))
    {
        let then = predict(&split, key, elem, plan);
        let now = row.prediction.retained_bytes;
        if then.retained_bytes.saturating_add(now / 20) < now {
            offer(split.name(), AdviceKind::SplitGroups, then);
        }
    }
    Ok(found)
}
