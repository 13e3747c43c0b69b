//! `tophash audit`: what the audits of SafeMaps say, from the files of any number of processes.
//!
//! A file has a line of JSON for each record, or is a table in Parquet, by its first bytes.
//!
//! What a file holds may be anything: lines and files are bounded before they are read, lines that are
//! no records are counted, and of a record that is not the last of its map only the shape is kept. Of
//! a file that is too long the end is read, where the newest records are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use tophash_safemap::{AuditRecord, MapReport};

use crate::Outcome;
use crate::report::style::{bytes, clean, count, dim, warning};
use crate::report::table::{align_right, plain_table};

/// The version of the JSON format.
const SCHEMA: u32 = 1;
/// Of a longer file, so much of its end is read.
const LONGEST_FILE: u64 = 256 << 20;
/// A longer line is no record.
const LONGEST_LINE: u64 = 4 << 20;
/// What a file of Parquet begins with.
const PARQUET: &[u8] = b"PAR1";
/// The most that is read of all files together.
const MOST_BYTES: u64 = 1 << 30;

#[derive(Debug, Args)]
pub(crate) struct AuditOptions {
    /// Files of audit records, a line of JSON each or in Parquet; `-` for standard input. Files of one log,
    /// `NAME`, `NAME.1` and so on, belong together.
    #[arg(required = true, value_name = "FILES")]
    pub(crate) files: Vec<PathBuf>,

    /// Report for people, a table with a line for each map, or JSON for programs.
    #[arg(long, value_enum, default_value_t = AuditFormat::Report)]
    pub(crate) format: AuditFormat,

    /// Only maps of this name.
    #[arg(long, value_name = "NAME")]
    pub(crate) map: Option<String>,

    /// End with exit code 1 if a map has such a finding. May be given several times.
    #[arg(long, value_enum, value_name = "FINDING")]
    pub(crate) fail_on: Vec<AuditFinding>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuditFormat {
    Report,
    Table,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuditFinding {
    /// Entries of a pattern that do nothing but grow.
    Growth,
    /// Keys to which values of another type came.
    Drift,
}

/// What was read: the records of each log, and what could not be used.
#[derive(Default)]
struct Logs {
    by_name: BTreeMap<PathBuf, Vec<AuditRecord>>,
    damaged: u64,
    /// Bytes at the beginning of files that were left out.
    skipped: u64,
    read: u64,
}

pub(crate) fn run(options: &AuditOptions) -> Result<Outcome> {
    let mut logs = Logs::default();
    for path in &options.files {
        logs.read_file(path)?;
    }
    for records in logs.by_name.values_mut() {
        if let Some(name) = &options.map {
            records.retain(|record| record.map == *name);
        }
        keep_shapes(records);
    }
    let reports: Vec<(&Path, MapReport<'_>)> = logs
        .by_name
        .iter()
        .flat_map(|(path, records)| {
            MapReport::of(records).into_iter().map(|report| (path.as_path(), report))
        })
        .collect();
    if reports.is_empty() {
        bail!("there are no audits in {}", listed(&options.files));
    }
    let mut out = BufWriter::new(anstream::stdout().lock());
    match options.format {
        AuditFormat::Report => print_report(&mut out, &reports)?,
        AuditFormat::Table => print_table(&mut out, &reports)?,
        AuditFormat::Json => writeln!(out, "{:#}", document(&logs, &reports))?,
    }
    out.flush()?;
    if options.format != AuditFormat::Json {
        logs.tell_what_is_missing();
    }
    let is_found = reports.iter().any(|(_, report)| {
        options.fail_on.iter().any(|finding| match finding {
            AuditFinding::Growth => !report.growths.is_empty(),
            AuditFinding::Drift => report.drifts().next().is_some(),
        })
    });
    Ok(if is_found { Outcome::Found } else { Outcome::Done })
}

impl Logs {
    fn read_file(&mut self, path: &Path) -> Result<()> {
        let shown = || clean(&path.display().to_string());
        if path.as_os_str() == "-" {
            let mut input = io::stdin().lock();
            let is_table = input.fill_buf().is_ok_and(|part| part.starts_with(PARQUET));
            if is_table {
                return self.read_table(path, input).context("can't read the input");
            }
            return self.read_lines(path, input).context("can't read the input");
        }
        let file = File::open(path).with_context(|| format!("can't read {}", shown()))?;
        let length = file.metadata().map_or(0, |about| about.len());
        let mut reader = BufReader::new(file);
        self.read_open_file(path, length, &mut reader)
            .with_context(|| format!("can't read {}", shown()))
    }

    fn read_open_file(
        &mut self,
        path: &Path,
        length: u64,
        reader: &mut BufReader<File>,
    ) -> Result<()> {
        if reader.fill_buf()?.starts_with(PARQUET) {
            return self.read_table(path, reader);
        }
        let start = length.saturating_sub(LONGEST_FILE.min(MOST_BYTES.saturating_sub(self.read)));
        if start > 0 {
            self.skipped += start;
            // From one byte before: if a line ends there, the next one is whole.
            reader.seek(SeekFrom::Start(start - 1))?;
            skip_line(reader)?;
        }
        Ok(self.read_lines(path, reader)?)
    }

    /// A table is read whole or not at all, as its end says what it holds.
    fn read_table(&mut self, path: &Path, table: impl Read) -> Result<()> {
        let most = LONGEST_FILE.min(MOST_BYTES.saturating_sub(self.read));
        let mut file = Vec::new();
        table.take(most + 1).read_to_end(&mut file)?;
        let length = file.len() as u64;
        if length > most {
            bail!("it is longer than {}", bytes(most));
        }
        self.read += length;
        let records = AuditRecord::from_parquet(file)?;
        self.by_name.entry(log_name(path)).or_default().extend(records.into_iter().map(slim));
        Ok(())
    }

    fn read_lines(&mut self, path: &Path, mut reader: impl BufRead) -> io::Result<()> {
        let records = self.by_name.entry(log_name(path)).or_default();
        let most = LONGEST_FILE.min(MOST_BYTES.saturating_sub(self.read));
        let (mut line, mut read) = (Vec::new(), 0);
        while read < most {
            line.clear();
            // One byte more than may be, so that a line that is too long is told from one that ends.
            let got = reader.by_ref().take(LONGEST_LINE + 1).read_until(b'\n', &mut line)? as u64;
            if got == 0 {
                break;
            }
            read += got;
            if got > LONGEST_LINE {
                read += skip_line(&mut reader)?;
                self.damaged += 1;
            } else if !line.trim_ascii().is_empty() {
                match serde_json::from_slice(&line) {
                    Ok(record) => records.push(slim(record)),
                    Err(_) => self.damaged += 1,
                }
            }
        }
        self.read += read;
        Ok(())
    }

    fn tell_what_is_missing(&self) {
        let mut notes = Vec::new();
        if self.damaged > 0 {
            notes.push(format!("{} lines are no audits and were left out", count(self.damaged)));
        }
        if self.skipped > 0 {
            notes.push(format!("the first {} of long files were left out", bytes(self.skipped)));
        }
        for note in notes {
            anstream::eprintln!("{}", dim(&note));
        }
    }
}

/// Reads on to the end of a line, with memory for a part of it; tells how far that was.
fn skip_line(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let part = match reader.fill_buf() {
            Ok(part) => part,
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => continue,
            Err(fault) => return Err(fault),
        };
        let end = part.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(part.len(), |end| end + 1);
        skipped += taken as u64;
        reader.consume(taken);
        if end.is_some() || taken == 0 {
            return Ok(skipped);
        }
    }
}

/// The log that a file belongs to: its path without the number of a full file. Maps of two logs are
/// two maps, even where name and process are alike, as they are in containers.
fn log_name(path: &Path) -> PathBuf {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match path.extension().and_then(|extension| extension.to_str()) {
        Some(extension) if is_number(extension) => path.with_extension(""),
        _ => path.to_owned(),
    }
}

/// A record with no more keys named than ours name.
fn slim(mut record: AuditRecord) -> AuditRecord {
    const MOST: usize = 16;
    record.refused.truncate(MOST);
    for refused in &mut record.refused {
        refused.came.truncate(MOST);
    }
    record.oldest.truncate(MOST);
    record.hottest.truncate(MOST);
    record
}

/// Leaves the keys to the last record of each map alone; of the others, counts are asked for.
fn keep_shapes(records: &mut [AuditRecord]) {
    records.sort_by(|a, b| (&a.map, a.process, a.at).cmp(&(&b.map, b.process, b.at)));
    for index in 1..records.len() {
        let [before, after] = &mut records[index - 1..=index] else { continue };
        if (&before.map, before.process) == (&after.map, after.process) {
            (before.refused, before.oldest, before.hottest) = (Vec::new(), Vec::new(), Vec::new());
        }
    }
}

fn listed(files: &[PathBuf]) -> String {
    let names: Vec<_> = files.iter().map(|path| clean(&path.display().to_string())).collect();
    names.join(", ")
}

fn print_report(out: &mut dyn Write, reports: &[(&Path, MapReport<'_>)]) -> io::Result<()> {
    let logs = reports.iter().filter(|(path, _)| *path != reports[0].0).count();
    let mut last = None;
    for (path, report) in reports {
        // Where one log was read, there is nothing to tell apart.
        if logs > 0 && last != Some(path) {
            writeln!(out, "{}", dim(&clean(&path.display().to_string())))?;
            last = Some(path);
        }
        for line in report.to_string().lines() {
            let is_finding = line.starts_with("  - looks like a leak");
            writeln!(out, "{}", if is_finding { warning(line) } else { line.to_owned() })?;
        }
    }
    Ok(())
}

fn print_table(out: &mut dyn Write, reports: &[(&Path, MapReport<'_>)]) -> io::Result<()> {
    let mut table = plain_table(&[
        "KEYS",
        "DAY BEFORE",
        "BYTES",
        "PEAK",
        "NEVER READ",
        "DRIFTING",
        "GROWING",
        "PROCESS",
        "MAP",
    ]);
    for (_, report) in reports {
        let last = report.last;
        table.add_row([
            count(last.entries),
            report.entries_day_before.map(count).unwrap_or_default(),
            bytes(last.bytes),
            bytes(last.peak_bytes),
            report.never_read().map(count).unwrap_or_default(),
            count(report.drifts().count() as u64),
            count(report.growths.len() as u64),
            last.process.to_string(),
            clean(&last.map),
        ]);
    }
    align_right(&mut table, &[0, 1, 2, 3, 4, 5, 6, 7]);
    writeln!(out, "{table}")
}

fn document(logs: &Logs, reports: &[(&Path, MapReport<'_>)]) -> Value {
    let maps: Vec<_> = reports.iter().map(|(path, report)| map(path, report)).collect();
    json!({
        "schema": SCHEMA,
        "maps": maps,
        "damaged_lines": logs.damaged,
        "skipped_bytes": logs.skipped,
    })
}

fn map(path: &Path, report: &MapReport<'_>) -> Value {
    let growths: Vec<_> = report
        .growths
        .iter()
        .map(|growth| {
            json!({
                "pattern": growth.pattern,
                "from": growth.from,
                "to": growth.to,
                "rises": growth.rises,
                "seconds": growth.seconds,
                "never_read_share": growth.never_read,
                "seconds_to_bound": growth.seconds_to_bound,
            })
        })
        .collect();
    let drifts: Vec<_> = report.drifts().map(|refused| &refused.key).collect();
    json!({
        "log": path.display().to_string(),
        "records": report.records,
        "last": report.last,
        "entries_day_before": report.entries_day_before,
        "never_read": report.never_read(),
        "drifts": drifts,
        "growths": growths,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_log_belong_together() {
        for (path, log) in [
            ("a/audits.jsonl", "a/audits.jsonl"),
            ("a/audits.jsonl.1", "a/audits.jsonl"),
            ("a/audits.jsonl.12", "a/audits.jsonl"),
            ("audits.1x", "audits.1x"),
            ("-", "-"),
        ] {
            assert_eq!(log_name(Path::new(path)), Path::new(log), "{path}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_costs_itself_alone() {
        let record = r#"{"map":"m","process":1,"at":2,"entries":0,"bytes":0,"peak_bytes":0,"max_entries":null,"max_bytes":null,"operations":{"hits":0,"misses":0,"writes":0,"removals":0,"expirations":0,"evictions":0,"refusals":0},"patterns":[],"refused":[],"oldest":[],"hottest":[]}"#;
        let long = "x".repeat(LONGEST_LINE as usize * 2);
        let text = format!("{record}\n{long}\n\n\u{0}\n{record}\n{long}");
        let mut logs = Logs::default();
        logs.read_lines(Path::new("-"), text.as_bytes()).unwrap();
        assert_eq!((logs.by_name[Path::new("-")].len(), logs.damaged), (2, 3));
        assert_eq!(logs.read, text.len() as u64);
    }
}
