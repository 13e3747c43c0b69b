//! A series as a table that fits on a screen, and as JSON.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tophash_trend::{ChangeKind, Explanation, PhaseKind, Trend, Verdict};

use super::gather::{Clock, Gathered};
use super::rows::{Judged, Row};
use crate::report::style::{self, bytes, clean, count, dim, heading, warning};

const SCHEMA: u32 = 1;
/// Sites that are shown, unless told otherwise.
const SHOWN: usize = 12;
const CURVE: usize = 16;
const LONGEST_NAME: usize = 44;

/// Prints what a person wants to know.
pub(super) fn print(
    out: &mut dyn Write,
    gathered: &Gathered,
    judged: &Judged,
    limit: Option<u64>,
    top: Option<usize>,
) -> io::Result<()> {
    let names = Names { gathered };
    let whole = &judged.whole;
    let span = gathered.times.last().zip(gathered.times.first()).map_or(0.0, |(a, b)| a - b);
    let over = match gathered.clock {
        Clock::Order => String::new(),
        _ => format!(" over {}", names.time(span)),
    };
    writeln!(
        out,
        "{}{over}",
        heading(&format!(
            "{} profiles of {}{}",
            gathered.times.len(),
            clean(&gathered.sample_type),
            if judged.are_maps { " of maps" } else { "" }
        ))
    )?;
    let verdict = format!(
        "{}: {}, {} now ({:.0} % sure)",
        whole.verdict.name().to_uppercase(),
        names.what(whole),
        names.amount(whole.now as f64),
        100.0 * whole.trend.confidence
    );
    let is_bad = whole.verdict == Verdict::Growing;
    writeln!(out, "{}", if is_bad { warning(&verdict) } else { verdict })?;
    writeln!(out, "{}", curve(&whole.values, 60))?;
    print_phases(out, &names, judged)?;
    if let Some(limit) = limit {
        let limit = names.amount(limit as f64);
        match judged.until_limit {
            Some(until) => {
                let to = until.latest.map_or("never".to_owned(), |it| names.time(it));
                let (expected, from) = (names.time(until.expected), names.time(until.earliest));
                writeln!(out, "{limit} is reached in {expected} (between {from} and {to})")?;
            }
            None => writeln!(out, "nothing leads to {limit}")?,
        }
    }
    let shown = match top {
        Some(0) => judged.sites.len(),
        top => top.unwrap_or(SHOWN),
    };
    let unit = if gathered.clock == Clock::Order { "profile" } else { "h" };
    let (growth, allocated) = (format!("growth/{unit}"), format!("alloc/{unit}"));
    writeln!(
        out,
        "\n{}",
        dim(&format!(
            "{:<9} {:>5} {:>10} {:>11} {:>11}  {:<CURVE$}  site",
            "verdict", "sure", "now", growth, allocated, "over time"
        ))
    )?;
    for row in judged.sites.iter().take(shown) {
        let growth = match row.verdict {
            Verdict::Growing | Verdict::Falling => names.signed(row.per_hour),
            _ => "-".to_owned(),
        };
        let line = format!(
            "{:<9} {:>3.0} % {:>10} {:>11} {:>11}  {}  {}",
            row.verdict.name(),
            100.0 * row.trend.confidence,
            names.amount(row.now as f64),
            growth,
            row.allocated_per_hour.map_or("-".to_owned(), |it| names.amount(names.by(it))),
            curve(&row.values, CURVE),
            clean(&place(row)),
        );
        writeln!(out, "{}", if row.verdict == Verdict::Growing { warning(&line) } else { line })?;
    }
    if judged.site_count > shown {
        let rest = count((judged.site_count - shown) as u64);
        writeln!(out, "{}", dim(&format!("{rest} more; --top 0 shows all that were judged")))?;
    }
    print_next(out, gathered, judged)
}

fn print_phases(out: &mut dyn Write, names: &Names<'_>, judged: &Judged) -> io::Result<()> {
    let parts: Vec<_> = judged
        .phases
        .iter()
        .map(|phase| {
            let kind = match phase.kind {
                PhaseKind::Init => "init",
                PhaseKind::Insert => "insert",
                PhaseKind::Level => "level",
                PhaseKind::Delete => "delete",
            };
            format!("{kind} {} to {}", names.time(phase.to - phase.from), names.amount(phase.after))
        })
        .collect();
    if parts.len() > 1 {
        writeln!(out, "{}", dim(&format!("phases: {}", parts.join(", "))))?;
    }
    Ok(())
}

fn print_next(out: &mut dyn Write, gathered: &Gathered, judged: &Judged) -> io::Result<()> {
    let ends = gathered.names.first().zip(gathered.names.last());
    let (Some((first, last)), Some(top)) = (ends, judged.sites.first()) else { return Ok(()) };
    let (first, last, function) = (clean(first), clean(last), clean(&top.function));
    match (judged.whole.verdict, top.verdict) {
        (Verdict::TooEarly, _) => {
            writeln!(
                out,
                "Next: save more profiles; a trend takes eight, and 75 to be sure of noise"
            )
        }
        (_, Verdict::Growing | Verdict::Stepped) => {
            let expression = function.replace(['(', ')', '*'], ".");
            writeln!(out, "Next: who calls it, and what grew there since the first profile:")?;
            writeln!(out, "  tophash profile --base {first} {last} --peek '{expression}'")?;
            writeln!(out, "  tophash inspect PID    which maps hold it, and what holds them")
        }
        (Verdict::Growing, _) => {
            writeln!(out, "Next: no single site grows enough; compare the ends as a whole:")?;
            writeln!(out, "  tophash profile --base {first} {last} --tree")
        }
        _ => writeln!(
            out,
            "Next: nothing; what churns makes work for the collector and holds no more"
        ),
    }
}

/// Writes everything that is known.
pub(super) fn write_json(
    out: &mut dyn Write,
    gathered: &Gathered,
    judged: &Judged,
    limit: Option<u64>,
    top: Option<usize>,
) -> Result<()> {
    let rows = |rows: &[Row]| -> Vec<Value> {
        let count = top.filter(|top| *top > 0).unwrap_or(rows.len());
        rows.iter().take(count).map(row_json).collect()
    };
    let whole = json!({
        "schema": SCHEMA,
        "sample_type": gathered.sample_type,
        "unit": gathered.unit,
        "clock": gathered.clock,
        "times": gathered.times,
        "total": row_json(&judged.whole),
        "phases": judged.phases,
        "limit": limit.map(|limit| json!({ "at": limit, "seconds": judged.until_limit })),
        "site_count": judged.site_count,
        "sites": rows(&judged.sites),
        "functions": rows(&judged.functions),
    });
    serde_json::to_writer_pretty(&mut *out, &whole)?;
    writeln!(out)?;
    Ok(())
}

fn row_json(row: &Row) -> Value {
    json!({
        "function": row.function, "file": row.file, "line": row.line, "map_type": row.map_type,
        "verdict": row.verdict,
        "confidence": row.trend.confidence,
        "explanation": row.trend.explanation,
        "now": row.now,
        "per_hour": row.per_hour, "per_hour_error": row.per_hour_error,
        "allocated_per_hour": row.allocated_per_hour,
        "turnover": row.turnover,
        "changes": row.trend.changes,
        "period_seconds": row.trend.period,
        "values": row.values,
    })
}

fn place(row: &Row) -> String {
    // The path of the package is told by its end, and stands in full in JSON.
    let bare = match row.function.find(['(', '[']) {
        Some(at) => row.function[..at].rfind('/'),
        None => row.function.rfind('/'),
    };
    let name = bare.map_or(row.function.as_str(), |at| &row.function[at + 1..]);
    let name = match name.char_indices().rev().nth(LONGEST_NAME) {
        Some((at, _)) => format!("…{}", &name[at..]),
        None => name.to_owned(),
    };
    let place = match row.line {
        0 => name,
        line => format!("{name}:{line}"),
    };
    match &row.map_type {
        None => place,
        Some(ty) => format!("{place}  {ty}"),
    }
}

/// How figures of a series are spelled.
struct Names<'g> {
    gathered: &'g Gathered,
}

impl Names<'_> {
    fn amount(&self, value: f64) -> String {
        let sign = if value < 0.0 { "-" } else { "" };
        let size = value.abs() as u64;
        match self.gathered.unit.as_str() {
            "bytes" => format!("{sign}{}", bytes(size)),
            _ => format!("{sign}{}", count(size)),
        }
    }

    /// An hour's worth, or a profile's, where nothing tells times.
    fn by(&self, per_hour: f64) -> f64 {
        if self.gathered.clock == Clock::Order { per_hour / 3600.0 } else { per_hour }
    }

    fn signed(&self, per_hour: f64) -> String {
        let text = self.amount(self.by(per_hour));
        if per_hour > 0.0 { format!("+{text}") } else { text }
    }

    fn time(&self, seconds: f64) -> String {
        match self.gathered.clock {
            Clock::Order => format!("{seconds:.0} profiles"),
            _ if seconds < 3.2e9 => style::duration(Duration::from_secs_f64(seconds.max(0.0))),
            _ => "a century".to_owned(),
        }
    }

    /// What a row does, in words.
    fn what(&self, row: &Row) -> String {
        let Trend { explanation, changes, .. } = &row.trend;
        let start = self.gathered.times.first().copied().unwrap_or(0.0);
        let at = |kind| {
            let change = changes.iter().rev().find(|it| it.kind == kind)?;
            Some((self.time(change.at - start), change.by))
        };
        let unit = if self.gathered.clock == Clock::Order { "profile" } else { "h" };
        let pace =
            format!("{} a{} {unit}", self.signed(row.per_hour), if unit == "h" { "n" } else { "" });
        let pace = pace.replace("an h", "an hour");
        match (explanation, row.verdict) {
            (Explanation::SinceChange, _) => match at(ChangeKind::Inflection) {
                Some((when, _)) => format!("{pace} since {when} after the first profile"),
                None => pace,
            },
            (Explanation::Steps, _) => match at(ChangeKind::Step) {
                Some((when, by)) => {
                    let by = self.signed(by * 3600.0_f64.powi(i32::from(self.is_by_profile())));
                    format!("{by} at once, {when} after the first profile")
                }
                None => "went to another level".to_owned(),
            },
            (Explanation::Settled, _) => match at(ChangeKind::Settling) {
                Some((when, _)) => format!("settled {when} after the first profile"),
                None => "settled".to_owned(),
            },
            (Explanation::StepByStep, _) => format!("{pace}, step by step"),
            (_, Verdict::Growing | Verdict::Falling) => pace,
            (Explanation::Wave, _) => match row.trend.period {
                Some(period) => format!("up and down every {}", self.time(period)),
                None => "up and down".to_owned(),
            },
            (Explanation::Swings, _) => "up and down, and back".to_owned(),
            (_, Verdict::Churning) => match row.turnover {
                Some(times) => {
                    format!("stays, while {:.0} times as much was allocated", times)
                }
                None => "up and down".to_owned(),
            },
            (_, Verdict::TooEarly) => "a trend takes eight profiles over some time".to_owned(),
            _ => "stays where it is".to_owned(),
        }
    }

    fn is_by_profile(&self) -> bool {
        self.gathered.clock == Clock::Order
    }
}

/// Draws values from nothing to their most, in as many columns as asked for.
fn curve(values: &[i64], width: usize) -> String {
    const EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.iter().copied().max().unwrap_or(0).max(1) as f64;
    (0..width)
        .map(|column| {
            let [from, to] = [column, column + 1].map(|it| it * values.len() / width.max(1));
            let part = values.get(from..to.max(from + 1).min(values.len())).unwrap_or_default();
            match part.iter().max() {
                Some(value) => {
                    let share = (*value).max(0) as f64 / most;
                    EIGHTHS[((share * 8.0) as usize).min(7)]
                }
                None => ' ',
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_begin_at_nothing_and_have_their_width() {
        assert_eq!(curve(&[0, 4, 8], 3), "▁▅█");
        assert_eq!(curve(&[5], 4).chars().count(), 4);
        assert_eq!(curve(&[], 2), "  ");
        assert_eq!(curve(&[1; 1000], 20), "█".repeat(20));
    }
}
