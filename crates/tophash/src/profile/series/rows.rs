//! From values by site to verdicts by site.
//!
//! Of thousands of sites, those that are largest or changed most are judged: some milliseconds each.

use std::collections::HashMap;

use serde::Serialize;
use tophash_trend::{Phase, Projection, Trend, Verdict, phases};

use super::super::maps::MapCalls;
use super::gather::{Gathered, Site, Values};

/// The most sites that are judged.
const MOST_JUDGED: usize = 120;
/// Growth that is not worth a word: as a part of the whole, and in units.
const LEAST_PART: f64 = 0.01;
const LEAST_BYTES: f64 = 512.0 * 1024.0;
const LEAST_COUNT: f64 = 20.0;
/// How many samples a change must be worth: one more or less is chance.
const LEAST_SAMPLES: f64 = 2.0;
/// The same of all sites together, of which each has its chance.
const LEAST_SAMPLES_OF_ALL: f64 = 4.0;
/// What is allocated this many times over while it stays is churn.
const TURNOVER: f64 = 3.0;

/// What a site, a function or all together does.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    pub(super) function: String,
    pub(super) file: String,
    /// 0 of a whole function.
    pub(super) line: i64,
    /// Of a map, where its type is known.
    pub(super) map_type: Option<String>,
    pub(super) verdict: Verdict,
    /// Some more, all kinds of figures.
    pub(super) trend: Trend,
    /// What the last profile says.
    pub(super) now: i64,
    /// Growth an hour, or by profile where nothing tells times.
    pub(super) per_hour: f64,
    pub(super) per_hour_error: f64,
    /// What was allocated an hour.
    pub(super) allocated_per_hour: Option<f64>,
    /// What was allocated meanwhile, in units of what was in use.
    pub(super) turnover: Option<f64>,
    pub(super) values: Vec<i64>,
}

/// All that follows from a series.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) whole: Row,
    pub(super) phases: Vec<Phase>,
    pub(super) sites: Vec<Row>,
    pub(super) functions: Vec<Row>,
    /// Sites that there are, judged or not.
    pub(super) site_count: usize,
    /// Whether only maps were followed.
    pub(super) are_maps: bool,
    pub(super) until_limit: Option<Projection>,
}

/// Judges all of a series; `limit` is where the whole must not come to, `maps` what is known of sites
/// that are maps, where only these are followed.
pub(super) fn judge(gathered: &Gathered, limit: Option<u64>, maps: Option<&MapCalls>) -> Judged {
    let nowhere = Site { function: "all".to_owned(), file: String::new(), line: 0 };
    let judge = Judge::new(gathered, maps);
    let least = match gathered.unit.as_str() {
        "bytes" => judge.least.max(LEAST_SAMPLES_OF_ALL * gathered.period as f64),
        _ => judge.least,
    };
    let whole = judge.row(&nowhere, &gathered.totals, least);
    let points: Vec<_> = judge.points(&gathered.totals);
    Judged {
        phases: phases(&points, judge.least),
        until_limit: limit.and_then(|limit| whole.trend.until(limit as f64)),
        sites: judge.rows(&gathered.sites),
        functions: judge.rows(&gathered.functions()),
        site_count: gathered.sites.len(),
        are_maps: maps.is_some(),
        whole,
    }
}

struct Judge<'g> {
    gathered: &'g Gathered,
    maps: Option<&'g MapCalls>,
    least: f64,
}

impl<'g> Judge<'g> {
    fn new(gathered: &'g Gathered, maps: Option<&'g MapCalls>) -> Self {
        let mut totals: Vec<_> = gathered.totals.iter().map(|it| it.in_use).collect();
        totals.sort_unstable();
        let middle = totals.get(totals.len() / 2).copied().unwrap_or(0) as f64;
        let unit = if gathered.unit == "bytes" { LEAST_BYTES } else { LEAST_COUNT };
        let samples = match gathered.unit.as_str() {
            "bytes" => LEAST_SAMPLES * gathered.period as f64,
            _ => 0.0,
        };
        Self { gathered, maps, least: (LEAST_PART * middle).max(unit).max(samples) }
    }

    fn points(&self, values: &[Values]) -> Vec<(f64, f64)> {
        let values = values.iter().map(|it| it.in_use as f64);
        self.gathered.times.iter().copied().zip(values).collect()
    }

    fn rows(&self, sites: &HashMap<Site, Vec<(u32, Values)>>) -> Vec<Row> {
        let mut sizes: Vec<_> = sites
            .iter()
            .map(|(site, cells)| {
                let in_use = || cells.iter().map(|cell| cell.1.in_use.unsigned_abs());
                let allocated = cells.iter().map(|cell| cell.1.allocated).max().unwrap_or(0);
                let peak = in_use().max().unwrap_or(0);
                // What churns holds little and allocates much.
                (peak.max(allocated.unsigned_abs() / 1000), site, cells)
            })
            .collect();
        sizes.sort_by(|a, b| {
            let name = |site: &Site| (site.function.clone(), site.line);
            b.0.cmp(&a.0).then_with(|| name(a.1).cmp(&name(b.1)))
        });
        sizes.truncate(MOST_JUDGED);
        let rows = sizes.into_iter();
        let mut rows: Vec<_> = rows
            .map(|(_, site, cells)| self.row(site, &self.gathered.values(cells), self.least))
            .collect();
        let rank = |row: &Row| match row.verdict {
            Verdict::Growing => 0,
            Verdict::Stepped => 1,
            Verdict::Falling => 2,
            _ => 3,
        };
        rows.sort_by(|a, b| {
            let size = |row: &Row| match row.verdict {
                Verdict::Growing => row.per_hour,
                _ => row.now as f64,
            };
            rank(a).cmp(&rank(b)).then(size(b).total_cmp(&size(a)))
        });
        rows
    }

    fn row(&self, site: &Site, values: &[Values], least: f64) -> Row {
        let gathered = self.gathered;
        let points = self.points(values);
        let trend = Trend::of(&points, least);
        let ends = gathered.times.first().zip(gathered.times.last());
        let hours = ends.map_or(0.0, |(first, last)| (last - first) / 3600.0);
        // What was allocated before a new start is not taken away from what was allocated after.
        let made: f64 = values
            .windows(2)
            .map(|pair| pair[1].allocated.saturating_sub(pair[0].allocated).max(0) as f64)
            .sum();
        let mean = points.iter().map(|it| it.1).sum::<f64>() / points.len().max(1) as f64;
        let turnover = (gathered.has_allocated && mean > 0.0).then(|| made / mean);
        let is_replaced = turnover.is_some_and(|times| times > TURNOVER) && made > least;
        let verdict = match trend.verdict {
            Verdict::Flat if is_replaced => Verdict::Churning,
            verdict => verdict,
        };
        Row {
            function: site.function.clone(),
            file: site.file.clone(),
            line: site.line,
            map_type: self.map_type(site),
            verdict,
            now: values.last().map_or(0, |it| it.in_use),
            per_hour: trend.per_second * 3600.0,
            per_hour_error: trend.per_second_error * 3600.0,
            allocated_per_hour: (gathered.has_allocated && hours > 0.0).then(|| made / hours),
            turnover,
            values: values.iter().map(|it| it.in_use).collect(),
            trend,
        }
    }

    fn map_type(&self, site: &Site) -> Option<String> {
        let line = u32::try_from(site.line).ok()?;
        self.maps?.map_type(&site.function, &site.file, line).map(str::to_owned)
    }
}
