//! The report on audits, as text for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::audit::AuditRecord;
use crate::growth::{Growth, growths};

const DAY: u64 = 86_400;

/// Reports on records of any number of maps and processes: for each map of each process the last
/// record, against the day before, with what looks wrong.
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
    let mut maps: BTreeMap<(&str, u32), Vec<&AuditRecord>> = BTreeMap::new();
    for record in records {
        maps.entry((&record.map, record.process)).or_default().push(record);
    }
    let mut report = String::new();
    for mut records in maps.into_values() {
        records.sort_by_key(|record| record.at);
        report_on(&mut report, &records);
    }
    report
}

/// One map's part; its records are in the order of time.
fn report_on(report: &mut String, records: &[&AuditRecord]) {
    let Some(last) = records.last() else { return };
    let mut bullets = vec![keys_in_all(last, records)];
    bullets.extend(last.refused.iter().map(|refused| {
        let came: Vec<_> = refused
            .came
            .iter()
            .map(|(kind, count)| format!("{} as {kind}", times(*count)))
            .collect();
        match &refused.expected {
            Some(expected) if !came.is_empty() => format!(
                "{:?} drifts: written {} as {expected}, refused {}",
                refused.key,
                times(refused.written),
                came.join(" and "),
            ),
            _ => {
                format!("{:?} was refused {}: {}", refused.key, times(refused.count), refused.last)
            }
        }
    }));
    bullets.push(format!("memory: {}, at most {}", bytes(last.bytes), bytes(last.peak_bytes)));
    if !last.oldest.is_empty() {
        let oldest: Vec<_> = last
            .oldest
            .iter()
            .map(|aged| format!("{:?} {}", aged.key, age(aged.seconds)))
            .collect();
        bullets.push(format!("longest-lived: {}", oldest.join(", ")));
    }
    if !last.hottest.is_empty() {
        let hottest: Vec<_> =
            last.hottest.iter().map(|hot| format!("{:?} {}", hot.key, times(hot.reads))).collect();
        bullets.push(format!("read most: {}", hottest.join(", ")));
    }
    let never_read: u64 = last.patterns.iter().map(|shape| shape.never_read).sum();
    if never_read > 0 {
        bullets.push(format!("never read: {never_read} of {} keys", last.entries));
    }
    bullets.extend(growths(records).iter().map(growth));
    // Writing to a string can't fail.
    let _ = writeln!(report, "[{}] SafeMap@{}:", date(last.at), last.map);
    for text in bullets {
        let _ = writeln!(report, "  - {text}");
    }
}

fn keys_in_all(last: &AuditRecord, records: &[&AuditRecord]) -> String {
    let mut text = format!("keys: {}", last.entries);
    // The last record that is a day old or more, give or take an hour.
    let before = records.iter().rev().find(|record| record.at + DAY <= last.at + 3600);
    if let Some(before) = before {
        if before.entries == 0 {
            let _ = write!(text, " (none the day before)");
        } else {
            let change = last.entries as f64 / before.entries as f64 - 1.0;
            let _ = write!(text, " ({:+.1} % against the day before)", 100.0 * change);
        }
    }
    if let Some(most) = last.max_entries {
        let _ = write!(text, ", {most} at most");
    }
    text
}

fn growth(growth: &Growth) -> String {
    let mut text = format!(
        "looks like a leak: {:?} grew at each of {} audits, from {} to {} keys in {}; {:.0} % were \
         never read",
        growth.pattern,
        growth.rises,
        growth.from,
        growth.to,
        age(growth.seconds),
        100.0 * growth.never_read,
    );
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
        last.oldest.truncate(1);
        records.pop();
        records.push(last);
        let report = audit_report(&records);
        let expected = "\
[2026-06-15 00:00:01] SafeMap@risk-policy:
  - keys: 501 (+24.9 % against the day before), 10000 at most
  - \"config.version\" drifts: written once as string, refused 3 times as integer
  - \"config.versoin\" was refused once: no key \"config.versoin\" in the schema; perhaps \
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
}
