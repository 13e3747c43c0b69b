//! `tophash audit` as a command: the report, formats, exit codes, and files of anybody.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tophash_safemap::{AuditLog, AuditRecord, ManualClock, ParquetLog, SafeMap, Schema, Type};

const DAY: Duration = Duration::from_secs(86_400);

fn audit(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tophash"))
        .arg("audit")
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap()
}

fn text(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

/// Two logs: a map that leaks, in several files, and one that is well.
fn logs() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new());
    clock.advance(Duration::from_secs(1_781_481_601) - 5 * DAY);
    let schema = Schema::builder()
        .key("config.version", Type::string())
        .key("lock.*", Type::boolean())
        .build()
        .unwrap();
    let map = SafeMap::builder(schema).name("risk-policy").clock(clock.clone()).build();
    let path = dir.path().join("risk.jsonl");
    let log = AuditLog::new(path).max_bytes(2000).open().unwrap();
    map.set("config.version", "1.0.0").unwrap();
    for day in 0..6 {
        for number in 0..100 {
            map.set(&format!("lock.{day}-{number}"), true).unwrap();
        }
        map.set("config.version", 2).unwrap_err();
        log.append(&map.audit()).unwrap();
        if day < 5 {
            clock.advance(DAY);
        }
    }
    let well = SafeMap::builder(Schema::open()).name("flags").clock(clock).build();
    AuditLog::new(dir.path().join("flags.jsonl")).open().unwrap().append(&well.audit()).unwrap();
    assert!(dir.path().join("risk.jsonl.1").is_file());
    dir
}

fn all_files(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_report_covers_all_files_of_all_processes() {
    let dir = logs();
    let files = all_files(dir.path());
    let files: Vec<_> = files.iter().map(String::as_str).collect();
    let output = audit(dir.path(), &files);
    assert_eq!(output.status.code(), Some(0));
    let report = text(&output);
    for line in [
        "[2026-06-15 00:00:01] SafeMap@risk-policy:",
        "[2026-06-15 00:00:01] SafeMap@flags:",
        "  - keys: 601 (+20.0 % against the day before)",
        &format!(
            "  - \"config.version\" drifts: written once as string, refused 6 times as integer by \
             process {}",
            std::process::id()
        ),
        "  - looks like a leak: \"lock.*\" grew at each of 5 audits, from 100 to 600 keys in 5 days; \
         100 % were never read",
    ] {
        assert!(report.lines().any(|shown| shown == line), "{line}\n{report}");
    }
    let one = audit(dir.path(), &[&files[..], &["--map", "flags"]].concat());
    assert!(!text(&one).contains("risk-policy"));
}

#[test]
fn a_table_says_what_its_lines_say() {
    let dir = logs();
    let files = all_files(dir.path());
    let mut records = Vec::new();
    for file in files.iter().filter(|file| file.starts_with("risk")) {
        let text = fs::read_to_string(dir.path().join(file)).unwrap();
        records.extend(AuditRecord::parse_lines(&text).0);
    }
    records.sort_by_key(|record| record.at);
    let log = ParquetLog::new(dir.path().join("risk.parquet")).max_records(4).open().unwrap();
    records.iter().for_each(|record| log.append(record).unwrap());
    let tables = ["risk.parquet", "risk.parquet.1"];
    let lines: Vec<_> =
        files.iter().map(String::as_str).filter(|file| file.starts_with("risk")).collect();
    let (by_lines, by_tables) = (audit(dir.path(), &lines), audit(dir.path(), &tables));
    assert!(text(&by_lines).contains("looks like a leak"));
    assert_eq!(text(&by_tables), text(&by_lines));
    // Both sorts at once, and from a pipe.
    let both = audit(dir.path(), &[&tables[..], &["flags.jsonl"]].concat());
    assert!(text(&both).contains("SafeMap@risk-policy:") && text(&both).contains("SafeMap@flags:"));
    let pipe = Command::new(env!("CARGO_BIN_EXE_tophash"))
        .args(["audit", "-"])
        .stdin(fs::File::open(dir.path().join(tables[0])).unwrap())
        .output()
        .unwrap();
    assert!(text(&pipe).contains("SafeMap@risk-policy:"), "{pipe:?}");
    // One that is cut short is an error that names it.
    let whole = fs::read(dir.path().join(tables[0])).unwrap();
    fs::write(dir.path().join("cut.parquet"), &whole[..whole.len() / 2]).unwrap();
    let cut = audit(dir.path(), &["cut.parquet"]);
    assert_eq!(cut.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&cut.stderr).contains("cut.parquet"));
}

#[test]
fn a_leak_or_a_drift_ends_with_its_exit_code_where_asked() {
    let dir = logs();
    let risk = ["risk.jsonl", "risk.jsonl.1", "risk.jsonl.2", "risk.jsonl.3", "risk.jsonl.4"];
    let risk: Vec<_> = risk.into_iter().filter(|name| dir.path().join(name).is_file()).collect();
    for (finding, code) in [("growth", 1), ("drift", 1)] {
        let output = audit(dir.path(), &[&risk[..], &["--fail-on", finding]].concat());
        assert_eq!(output.status.code(), Some(code), "{finding}");
        let output = audit(dir.path(), &["flags.jsonl", "--fail-on", finding]);
        assert_eq!(output.status.code(), Some(0), "{finding}");
    }
}

#[test]
fn the_table_and_the_json_say_the_same() {
    let dir = logs();
    let files = all_files(dir.path());
    let files: Vec<_> = files.iter().map(String::as_str).collect();
    let output = audit(dir.path(), &[&files[..], &["--format", "json"]].concat());
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["maps"].as_array().unwrap().len(), 2);
    let risk = &json["maps"][1];
    assert_eq!(risk["last"]["map"], "risk-policy");
    assert_eq!((&risk["entries_day_before"], &risk["records"]), (&501.into(), &6.into()));
    assert_eq!(risk["growths"][0]["pattern"], "lock.*");
    assert_eq!(risk["drifts"][0], "config.version");
    let output = audit(dir.path(), &[&files[..], &["--format", "table"]].concat());
    let row = text(&output).lines().find(|line| line.contains("risk-policy")).unwrap();
    let cells: Vec<_> = row.split_whitespace().collect();
    assert_eq!(cells[..2], ["601", "501"]);
}

#[test]
fn a_file_of_anybody_is_no_danger() {
    let dir = logs();
    let record = fs::read_to_string(dir.path().join("flags.jsonl")).unwrap();
    let forged = record.replace("\"flags\"", r#""a\u001b[2J\n[1970-01-01 00:00:00] SafeMap@b""#);
    let text_of_file = format!("{forged}{}\n\u{0}\n{{}}\n{}", "[".repeat(100_000), "9".repeat(99));
    fs::write(dir.path().join("odd"), text_of_file).unwrap();
    let output = audit(dir.path(), &["odd"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output).lines().filter(|line| line.starts_with('[')).count(), 1);
    assert!(!text(&output).contains('\u{1b}'));
    let notes = String::from_utf8_lossy(&output.stderr);
    assert!(notes.contains("4 lines are no audits"), "{notes}");

    fs::write(dir.path().join("empty"), "").unwrap();
    for file in ["empty", "none"] {
        assert_eq!(audit(dir.path(), &[file]).status.code(), Some(3), "{file}");
    }
}
