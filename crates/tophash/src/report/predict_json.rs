//! Predictions for programs: one object, whose fields are added to and never renamed.

use std::io::Write;

use serde::Serialize;

use crate::predict::Forecast;

/// The version of the format.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'f> {
    schema: u32,
    #[serde(rename = "type")]
    spelling: &'f str,
    rows: Vec<Row<'f>>,
}

#[derive(Serialize)]
struct Row<'f> {
    go: &'f str,
    design: &'static str,
    n: u64,
    hint: u64,
    deleted: u64,
    retained_bytes: u64,
    allocated_bytes: u64,
    wasted_bytes: u64,
    objects: u64,
    allocations: u64,
    scan_bytes: u64,
    slots: u64,
    next_growth_at: u64,
    peak_bytes: u64,
    exact: bool,
    deviation: Spread,
}

/// How far single maps lie from the means (standard deviations).
#[derive(Serialize)]
struct Spread {
    retained_bytes: f64,
    objects: f64,
    allocations: f64,
}

/// Prints a forecast.
pub(crate) fn print(out: &mut dyn Write, forecast: &Forecast) -> std::io::Result<()> {
    let plan = forecast.plan;
    let rows = forecast.rows.iter().map(|row| {
        let p = &row.prediction;
        Row {
            go: row.release.name(),
            design: row.design(),
            n: plan.entries,
            hint: plan.hint,
            deleted: plan.deleted,
            retained_bytes: p.retained_bytes,
            allocated_bytes: p.allocated_bytes,
            wasted_bytes: p.wasted_bytes,
            objects: p.objects,
            allocations: p.mallocs,
            scan_bytes: p.scan_bytes,
            slots: p.slots,
            next_growth_at: p.next_growth_at,
            peak_bytes: p.peak_bytes,
            exact: p.is_exact,
            deviation: Spread {
                retained_bytes: tenths(p.deviation.retained_bytes),
                objects: tenths(p.deviation.objects),
                allocations: tenths(p.deviation.mallocs),
            },
        }
    });
    let document = Document { schema: SCHEMA, spelling: &forecast.spelling, rows: rows.collect() };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn tenths(value: f64) -> f64 {
    (10.0 * value).round() / 10.0
}
