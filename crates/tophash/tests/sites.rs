//! Where maps were allocated: what the runtime's own samples say must be where the source does it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::process::Command;

use common::{folder, inspect, releases, tophash, types};
use serde_json::Value;
use xtask::fixture::{self, Fixture, Symbols};
use xtask::running::Running;

/// The calls that made the largest map of a type, from the innermost on.
fn calls(report: &Value, ty: &str) -> Vec<(String, String)> {
    largest(report, ty)["allocated_at"]
        .as_array()
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

/// The largest map that may be of a type.
fn largest<'r>(report: &'r Value, ty: &str) -> &'r Value {
    let maps = report["maps"].as_array().unwrap();
    let may_be = |map: &&Value| types(map).iter().any(|name| name == ty);
    maps.iter().filter(may_be).max_by_key(|map| map["own_bytes"].as_u64()).unwrap()
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

#[test]
fn without_samples_a_heap_profile_of_the_program_tells_by_the_size_of_the_arrays() {
    let ty = "map[string]*main.Session";
    for release in releases() {
        let program = fixture::build(release.version, Fixture::Leaky, Symbols::Kept).unwrap();
        let (_guard, dir) = folder();
        let profile = dir.join("heap.pb.gz");
        // The profile is of another run: what is compared is sizes, not addresses.
        let mut command = Command::new(&program);
        drop(Running::start_command(command.arg("-memprofile").arg(&profile)).unwrap());
        let mut command = Command::new(&program);
        // The flag counts from main on; of what is allocated before, a sample is rare, and no less true.
        command.args(["-memprofilerate", "0"]).env("GODEBUG", "memprofilerate=0");
        let running = Running::start_command(&mut command).unwrap();
        let pid = running.pid().to_string();

        let bare = inspect(&[&pid, "--max-pause", "20s"]);
        assert_eq!(largest(&bare, ty)["allocated_by"], Value::Null, "go{}", release.version);
        assert!(calls(&bare, ty).is_empty());

        let report = inspect(&[&pid, "--max-pause", "20s", "--profile", profile.to_str().unwrap()]);
        assert_eq!(largest(&report, ty)["allocated_by"], "profile", "go{}", release.version);
        // Swiss maps of other types have tables of the same size, and then several stacks are left.
        let map = largest(&report, ty);
        let candidates = map["allocated_candidates"].as_array();
        let known = map["allocated_at"].is_array().then(|| &map["allocated_at"]);
        let innermost: Vec<_> = known
            .into_iter()
            .chain(candidates.into_iter().flatten())
            .map(|stack| stack[0]["function"].as_str().unwrap())
            .collect();
        assert!(innermost.contains(&"main.(*SessionCache).Login"), "{innermost:?}");
    }
}

#[test]
fn what_is_no_heap_profile_is_refused() {
    let (_guard, dir) = folder();
    let file = dir.join("profile");
    for (bytes, told) in [
        (&b"heap profile: 1: 2 [3: 4]"[..], "is no profile"),
        (&b"\x32\x00"[..], "is not a heap profile (it has no inuse_objects)"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let output = tophash(&["demo", "--profile", file.to_str().unwrap()]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert!(said.contains(told), "{said}");
    }
}
