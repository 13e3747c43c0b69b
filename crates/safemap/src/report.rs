//! The report on audits: for each map of each process what the last record says, against the day before.
//!
//! Records may come from files, and files from anywhere: sums saturate, and what is not text for people
//! is escaped where it is written.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write;

use crate::audit::{AuditRecord, RefusedKey};
use crate::growth::{Growth, growths};

const DAY: u64 = 86_400;

/// How early the record of the day before may be: audits are a little late.
const LEEWAY: u64 = 3600;

/// The longest piece of text of a record that is shown.
const LONGEST_SHOWN: usize = 512;

/// What the records of one map of one process say. It prints as a line with the moment and the map's
/// name, and a bullet for each thing worth knowing.
///
/// ```
/// use tophash_safemap::{MapReport, SafeMap, Schema};
///
/// let map = SafeMap::builder(Schema::open()).name("risk-policy").build();
/// map.set("a", 1)?;
/// let records = [map.audit()];
/// let reports = MapReport::of(&records);
/// assert_eq!((reports[0].last.entries, reports[0].entries_day_before), (1, None));
/// assert!(reports[0].growths.is_empty());
/// assert!(reports[0].to_string().contains("SafeMap@risk-policy:\n  - keys: 1\n"));
/// # Ok::<(), tophash_safemap::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MapReport<'r> {
    /// The last record.
    pub last: &'r AuditRecord,
    /// How many records there are.
    pub records: usize,
    /// The entries a day before the last record, if there is a record so old.
    pub entries_day_before: Option<u64>,
    /// The patterns that only grow.
    pub growths: Vec<Growth>,
}

/// Reports on records of any number of maps and processes, as text.
///
/// ```
/// use tophash_safemap::{SafeMap, Schema, Type, audit_report};
///
/// let schema = Schema::builder().key("user.*", Type::string()).build()?;
/// let map = SafeMap::builder(schema).name("risk-policy").build();
/// map.set("user.1", "Ada")?;
/// let _ = map.set("user.1", 7);
/// let report = audit_report(&[map.audit()]);
/// assert!(report.contains("SafeMap@risk-policy:"));
/// assert!(report.contains("\"user.1\" drifts: written once as string, refused once as integer"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn audit_report(records: &[AuditRecord]) -> String {
    MapReport::of(records).iter().map(ToString::to_string).collect()
}

impl<'r> MapReport<'r> {
    /// A report for each map of each process, by name and process.
    pub fn of(records: impl IntoIterator<Item = &'r AuditRecord>) -> Vec<Self> {
        let mut maps: BTreeMap<(&str, u32), Vec<&AuditRecord>> = BTreeMap::new();
        for record in records {
            maps.entry((&record.map, record.process)).or_default().push(record);
        }
        let report = |mut records: Vec<&'r AuditRecord>| {
            records.sort_by_key(|record| record.at);
            let last = *records.last()?;
            let is_before =
                |record: &&&AuditRecord| last.at.saturating_sub(record.at) >= DAY - LEEWAY;
            Some(Self {
                last,
                records: records.len(),
                entries_day_before: records.iter().rev().find(is_before).map(|day| day.entries),
                growths: growths(&records),
            })
        };
        maps.into_values().filter_map(report).collect()
    }

    /// The keys to which values of another type came, those of the most refusals first.
    pub fn drifts(&self) -> impl Iterator<Item = &'r RefusedKey> + use<'r> {
        self.last.refused.iter().filter(|refused| refused.is_drift())
    }

    /// How many entries were never read; `None` of a map whose reads are not counted.
    pub fn never_read(&self) -> Option<u64> {
        let shapes = &self.last.patterns;
        let counted = shapes.is_empty() || shapes.iter().any(|shape| shape.never_read.is_some());
        let counts = shapes.iter().filter_map(|shape| shape.never_read);
        counted.then(|| counts.fold(0_u64, u64::saturating_add))
    }

    /// What there is to know, a line each.
    fn bullets(&self) -> Vec<String> {
        let last = self.last;
        let mut bullets = vec![self.keys_in_all()];
        bullets.extend(last.refused.iter().map(|refused| refusal(refused, last.process)));
        bullets.push(format!("memory: {}, at most {}", bytes(last.bytes), bytes(last.peak_bytes)));
        if !last.oldest.is_empty() {
            let oldest = last.oldest.iter();
            let oldest = oldest.map(|aged| format!("{} {}", quoted(&aged.key), age(aged.seconds)));
            bullets.push(format!("longest-lived: {}", listed(oldest)));
        }
        if !last.hottest.is_empty() {
            let hottest = last.hottest.iter();
            let hottest = hottest.map(|hot| format!("{} {}", quoted(&hot.key), times(hot.reads)));
            bullets.push(format!("read most: {}", listed(hottest)));
        }
        if let Some(never_read) = self.never_read().filter(|count| *count > 0) {
            bullets.push(format!("never read: {never_read} of {} keys", last.entries));
        }
        bullets.extend(self.growths.iter().map(growth));
        bullets
    }

    fn keys_in_all(&self) -> String {
        let last = self.last;
        let change = match self.entries_day_before {
            None => String::new(),
            Some(0) => " (none the day before)".to_owned(),
            Some(before) => {
                let change = last.entries as f64 / before as f64 - 1.0;
                format!(" ({:+.1} % against the day before)", 100.0 * change)
            }
        };
        let bound = last.max_entries.map(|most| format!(", {most} at most"));
        format!("keys: {}{change}{}", last.entries, bound.unwrap_or_default())
    }
}

impl fmt::Display for MapReport<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "[{}] SafeMap@{}:", date(self.last.at), plain(&self.last.map))?;
        for text in self.bullets() {
            writeln!(out, "  - {text}")?;
        }
        Ok(())
    }
}

impl RefusedKey {
    /// Whether values of another type came than the schema asks for.
    pub fn is_drift(&self) -> bool {
        self.expected.is_some() && !self.came.is_empty()
    }
}

fn refusal(refused: &RefusedKey, process: u32) -> String {
    let key = quoted(&refused.key);
    match &refused.expected {
        Some(expected) if refused.is_drift() => {
            let came = refused.came.iter();
            let came: Vec<_> =
                came.map(|(kind, count)| format!("{} as {}", times(*count), plain(kind))).collect();
            format!(
                "{key} drifts: written {} as {}, refused {} by process {process}",
                times(refused.written),
                plain(expected),
                came.join(" and "),
            )
        }
        _ => format!(
            "{key} was refused {} by process {process}: {}",
            times(refused.count),
            plain(&refused.last)
        ),
    }
}

fn listed(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn shortened(text: &str) -> (&str, &'static str) {
    let cut = text.floor_char_boundary(LONGEST_SHOWN);
    (&text[..cut], if cut < text.len() { "…" } else { "" })
}

/// A key in quotes, escaped as Rust does it.
fn quoted(text: &str) -> String {
    let (text, more) = shortened(text);
    format!("{text:?}{more}")
}

/// Other text: what could end the line or command a terminal is escaped.
fn plain(text: &str) -> String {
    let (text, more) = shortened(text);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_bidirectional(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out.push_str(more);
    out
}

/// Characters that turn the order of others round, and so can make a line read as it is not.
fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn growth(growth: &Growth) -> String {
    let mut text = format!(
        "looks like a leak: {} grew at each of {} audits, from {} to {} keys in {}",
        quoted(&growth.pattern),
        growth.rises,
        growth.from,
        growth.to,
        age(growth.seconds),
    );
    if let Some(share) = growth.never_read {
        let _ = write!(text, "; {:.0} % were never read", 100.0 * share);
    }
    if let Some(left) = growth.seconds_to_bound {
        let _ = write!(text, "; the bound is reached in {}", age(left));
    }
    text
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn bytes(count: u64) -> String {
    match count {
        0..1024 => format!("{count} B"),
        1024..1_048_576 => format!("{:.1} KiB", count as f64 / 1024.0),
        _ => format!("{:.1} MiB", count as f64 / 1_048_576.0),
    }
}

fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / DAY),
    }
}

/// A moment as date and time of day, in UTC; the date by the civil-from-days rule of Howard
/// Hinnant's "chrono-compatible low-level date algorithms".
fn date(at: u64) -> String {
    let days = at / DAY + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (at % DAY / 3600, at % 3600 / 60, at % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::audit::{AgedKey, PatternShape};
    use crate::clock::ManualClock;
    use crate::map::SafeMap;
    use crate::rule::Type;
    use crate::schema::Schema;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01 00:00:00");
        assert_eq!(date(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(date(1_781_481_601), "2026-06-15 00:00:01");
        assert_eq!(date(4_107_542_399), "2100-02-28 23:59:59");
        assert_eq!(date(4_107_542_400), "2100-03-01 00:00:00");
    }

    #[test]
    fn the_report_says_what_is_wrong_and_against_when() {
        let clock = Arc::new(ManualClock::new());
        clock.advance(Duration::from_secs(1_781_136_001));
        let schema = Schema::builder()
            .key("config.version", Type::string())
            .key("lock.*", Type::boolean())
            .build()
            .unwrap();
        let map = SafeMap::builder(schema)
            .name("risk-policy")
            .clock(clock.clone())
            .max_entries(10_000)
            .build();
        map.set("config.version", "1.0.0").unwrap();
        let mut records = Vec::new();
        for day in 0..5 {
            for number in 0..100 {
                map.set(&format!("lock.{day}-{number}"), true).unwrap();
            }
            records.push(map.audit());
            if day < 4 {
                clock.advance(Duration::from_secs(DAY));
            }
        }
        map.get("config.version").unwrap();
        for _ in 0..3 {
            map.set("config.version", 2).unwrap_err();
        }
        map.set("config.versoin", "2").unwrap_err();
        let mut last = map.audit();
        (last.bytes, last.peak_bytes) = (2 << 20, 3 << 20);
        records.iter_mut().for_each(|record| record.process = 7);
        last.process = 7;
        last.oldest.truncate(1);
        records.pop();
        records.push(last);
        let report = audit_report(&records);
        let expected = "\
[2026-06-15 00:00:01] SafeMap@risk-policy:
  - keys: 501 (+24.9 % against the day before), 10000 at most
  - \"config.version\" drifts: written once as string, refused 3 times as integer by process 7
  - \"config.versoin\" was refused once by process 7: no key \"config.versoin\" in the schema; perhaps \
\"config.version\" was meant
  - memory: 2.0 MiB, at most 3.0 MiB
  - longest-lived: \"config.version\" 4 days
  - read most: \"config.version\" once
  - never read: 500 of 501 keys
  - looks like a leak: \"lock.*\" grew at each of 4 audits, from 100 to 500 keys in 4 days; \
100 % were never read; the bound is reached in 94 days
";
        assert_eq!(report, expected);
    }

    #[test]
    fn each_map_of_each_process_has_its_part() {
        let named = |name: &str| SafeMap::builder(Schema::open()).name(name).build().audit();
        let other_process = AuditRecord { process: 1, ..named("a") };
        let report = audit_report(&[named("b"), named("a"), other_process]);
        assert_eq!(report.matches("SafeMap@a:").count(), 2);
        assert_eq!(report.matches("SafeMap@b:").count(), 1);
        assert_eq!(audit_report(&[]), "");
    }

    #[test]
    fn records_of_anybody_can_neither_forge_lines_nor_overflow() {
        let mut record = SafeMap::new(Schema::open()).audit();
        let shape = |entries| PatternShape {
            pattern: "a\u{1b}[2J".to_owned(),
            entries,
            bytes: u64::MAX,
            never_read: Some(u64::MAX),
        };
        record.map = "a\n[2026-06-15 00:00:01] SafeMap@b:\u{202e}".to_owned();
        record.entries = u64::MAX;
        record.oldest = vec![AgedKey { key: "k\n".repeat(100_000), seconds: u64::MAX }];
        record.refused = vec![RefusedKey {
            key: "\u{1b}".to_owned(),
            count: u64::MAX,
            expected: None,
            written: 0,
            came: Vec::new(),
            last: "\r\u{9b}".to_owned(),
        }];
        let records: Vec<_> = (0..6)
            .map(|step| AuditRecord {
                at: if step == 5 { u64::MAX } else { step },
                max_entries: Some(0),
                patterns: vec![shape(step * 1000), shape(0), shape(u64::MAX - 9 + step)],
                ..record.clone()
            })
            .collect();
        let report = audit_report(&records);
        assert!(report.len() < 10_000, "{}", report.len());
        assert!(!report.chars().any(|c| c.is_control() && c != '\n'), "{report}");
        assert_eq!(report.lines().filter(|line| line.starts_with('[')).count(), 1, "{report}");
    }
}
