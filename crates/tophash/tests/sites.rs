//! Where maps were allocated: what the runtime's own samples say must be where the source does it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{inspect, releases, types};
use serde_json::Value;
use xtask::fixture::{self, Fixture, Symbols};
use xtask::running::Running;

/// The calls that made the largest map of a type, from the innermost on.
fn calls(report: &Value, ty: &str) -> Vec<(String, String)> {
    let maps = report["maps"].as_array().unwrap();
    let may_be = |map: &&Value| types(map).iter().any(|name| name == ty);
    let map = maps.iter().filter(may_be).max_by_key(|map| map["own_bytes"].as_u64());
    map.and_then(|map| map["allocated_at"].as_array())
        .into_iter()
        .flatten()
        .map(|frame| {
            let file = frame["file"].as_str().unwrap();
            let line = frame["line"].as_u64().unwrap();
            let function = frame["function"].as_str().unwrap().to_owned();
            (function, format!("{}:{line}", file.rsplit('/').next().unwrap()))
        })
        .collect()
}

/// The lines of a fixture's source that hold a text, as `file.go:12`.
fn lines_with(file: &str, text: &str) -> Vec<String> {
    let path = format!("{}/../../fixtures/leaky/{file}", env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(path).unwrap();
    let lines = source.lines().enumerate().filter(|(_, line)| line.contains(text));
    lines.map(|(index, _)| format!("{file}:{}", index + 1)).collect()
}

#[test]
fn large_maps_name_the_assignment_under_which_they_grew() {
    // Login stores a session; Count, which the compiler may inline, counts a series.
    let stores = [
        ("map[string]*main.Session", "main.(*SessionCache).Login", "sessions.go", "byToken["),
        ("map[string]int64", "main.(*Metrics).Count", "metrics.go", "series["),
    ];
    for release in releases() {
        for symbols in [Symbols::Kept, Symbols::Stripped] {
            let program = fixture::build(release.version, Fixture::Leaky, symbols).unwrap();
            // The program has one allocation in 64 KiB sampled: that none of a map's last arrays is
            // one of them does not happen.
            let running = Running::start(&program).unwrap();
            let report = inspect(&[&running.pid().to_string(), "--max-pause", "20s"]);
            for (ty, function, file, text) in stores {
                let case = format!("go{} {symbols:?} {ty}", release.version);
                let calls = calls(&report, ty);
                assert!(!calls.is_empty(), "{case} has no site");
                assert_eq!(calls[0].0, function, "{case}: {calls:?}");
                let lines = lines_with(file, text);
                assert!(lines.contains(&calls[0].1), "{case}: {calls:?}, not {lines:?}");
                assert!(calls.iter().any(|call| call.0 == "main.main"), "{case}: {calls:?}");
            }
        }
    }
}
