//! Recorded operations on maps, done again by the model.
//!
//! `fixtures/traced` records what it does with maps through `go/maptrace`, and does the same with
//! plain maps, which it measures.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use std::path::Path;
use std::process::Command;

use common::{folder, releases, tophash};
use serde_json::Value;
use xtask::fixture::{Fixture, Symbols, build};
use xtask::running::Running;

fn replayed(trace: &Path, more: &[&str]) -> Value {
    let mut arguments = vec!["lab", "replay", trace.to_str().unwrap(), "--format", "json"];
    arguments.extend(more);
    let output = tophash(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_recorded_program_costs_on_the_model_what_it_cost_on_each_release() {
    let (_guard, dir) = folder();
    let mut other = None;
    for release in releases() {
        let program = build(release.version, Fixture::Traced, Symbols::Kept).unwrap();
        let trace = dir.join("trace");
        let running = Running::start_command(Command::new(&program).arg(&trace)).unwrap();
        let live = |line: &String| line.rsplit('\t').next().unwrap().parse::<f64>().unwrap();
        let real: f64 = running.lines().iter().map(live).sum();
        let report = replayed(&trace, &["--go", release.language()]);
        let row = &report["rows"][0];
        let model = row["retained_bytes"].as_f64().unwrap();
        // How large a Swiss table of few entries gets under churn is chance.
        assert!((model / real - 1.0).abs() < 0.1, "{}: {model} not {real}", release.version);
        assert_eq!(row["maps"], 4);
        let same = [&row["operations"], &row["entries"]].map(|n| n.as_u64().unwrap());
        assert_eq!(*other.get_or_insert(same), same, "{}", release.version);
        assert!(row["growths"].as_u64().unwrap() > 10);
    }
}

#[test]
fn the_same_trace_gives_the_same_bytes_as_text_and_again() {
    let (_guard, dir) = folder();
    let trace = dir.join("trace.txt");
    let mut text = "tophash-trace 1\nmake 7 0 map[string]struct{ a int32; b *byte }\n".to_owned();
    for key in 0..3000 {
        text +=
            &format!("key 7 {key} {}\nset 7 {key}\n", if key < 2800 { 8 + key % 30 } else { 1 });
    }
    text += "range 7\nget 7 5\ndelete 7 5\nget 7 9999\n";
    std::fs::write(&trace, text).unwrap();
    let mut first = replayed(&trace, &[]);
    let mut again = replayed(&trace, &[]);
    for report in [&mut first, &mut again] {
        for row in report["rows"].as_array_mut().unwrap() {
            row.as_object_mut().unwrap().remove("nanoseconds_per_operation");
            assert_eq!((&row["entries"], &row["operations"]), (&2999.into(), &3004.into()));
        }
    }
    assert_eq!(first, again);
}

#[test]
fn bad_traces_are_refused_by_place_and_cut_ones_replayed_as_far_as_they_go() {
    let (_guard, dir) = folder();
    let trace = dir.join("trace");
    let refused = |text: &[u8]| {
        std::fs::write(&trace, text).unwrap();
        let output = tophash(&["lab", "replay", trace.to_str().unwrap(), "--go", "1.27"]);
        assert_eq!(output.status.code(), Some(3));
        String::from_utf8(output.stderr).unwrap()
    };
    for (text, part) in [
        (&b"hello, world"[..], "no trace of map operations"),
        (b"tophash-trace 1\nset 1 2\n", "map 1, which no"),
        (b"tophash-trace 1\nmake 1 0 map[[]int]int\n", "map 1 of the trace has a type"),
        (b"tophash-trace 1\nmake 1 0 map[int\n", "map 1 of the trace has a type"),
        (b"tophash-trace 1\nmake 1 0 map[int]int\nset 1\n", "line 3"),
    ] {
        let error = refused(text);
        assert!(error.contains(part) && error.contains("trace"), "{error}");
    }
    std::fs::write(&trace, b"tophash\x01\x00\x01\x00\x0bmap[int]int\x02\x01\x05\x02\x01").unwrap();
    let report = replayed(&trace, &["--go", "1.27"]);
    let row = &report["rows"][0];
    assert_eq!((&row["operations"], &row["entries"]), (&1.into(), &1.into()));
    assert!(row["cut"].as_str().unwrap().contains("ends within"));
}
