//! Two looks at one program: what grew is told with the figures of both, and what did not is not.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;
use std::process::Command;

use common::{folder, inspect, releases, tophash};
use serde_json::Value;
use xtask::fixture::{self, Fixture, Symbols};
use xtask::running::Running;

/// A core of the program with so many entries in three maps.
fn core(program: &Path, entries: u64, to: &Path) {
    let running = Running::start_command(Command::new(program).arg(entries.to_string())).unwrap();
    xtask::core::write_core(running.pid(), to).unwrap();
}

fn diff(arguments: &[&str]) -> Value {
    let mut all = vec!["diff", "--format", "json"];
    all.extend(arguments);
    let output = tophash(&all);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn change<'d>(diff: &'d Value, ty: &str) -> &'d Value {
    let maps = diff["maps"].as_array().unwrap();
    maps.iter().find(|change| change["type"] == ty).unwrap()
}

#[test]
fn what_grew_is_told_from_cores_and_saved_reports_alike() {
    for release in releases() {
        let program = fixture::build(release.version, Fixture::Bench, Symbols::Kept).unwrap();
        let (_guard, dir) = folder();
        let [small, large, saved] = ["small", "large", "saved.json"].map(|name| dir.join(name));
        core(&program, 60_000, &small);
        core(&program, 90_000, &large);
        let [small, large] = [&small, &large].map(|path| path.to_str().unwrap());
        let exe = ["--exe", program.to_str().unwrap()];
        let report = inspect(&[&[small, "--by", "types"][..], &exe].concat());
        std::fs::write(&saved, report.to_string()).unwrap();

        for before in [small, saved.to_str().unwrap()] {
            let grown = diff(&[&[before, large][..], &exe].concat());
            for (ty, was, is) in [
                ("map[string]*main.session", 20_000, 30_000),
                ("map[int64]*main.item", 20_000, 30_000),
                ("map[int64]int64", 2_000, 3_000),
            ] {
                let change = change(&grown, ty);
                let entries = |side: &str| change[side]["entries"].as_u64();
                assert_eq!(entries("before"), Some(was), "go{} {ty}", release.version);
                assert_eq!(entries("after"), Some(is), "go{} {ty}", release.version);
            }
            let types = grown["types"].as_array().unwrap();
            let sessions = types.iter().find(|change| change["type"] == "main.session").unwrap();
            assert_eq!(sessions["after"]["objects"], 30_000);
            let findings = grown["findings"].as_array().unwrap();
            let grows = |finding: &Value| {
                let title = finding["title"].as_str().unwrap();
                finding["rule"] == "growing" && title.starts_with("map[string]*main.session grew")
            };
            assert!(findings.iter().any(grows), "{findings:#?}");
        }

        let same = diff(&[&[large, large][..], &exe].concat());
        assert_eq!(same["maps"].as_array().unwrap().len(), 0, "{same:#}");
        assert!(same["unchanged_maps"].as_u64().unwrap() >= 3);
        assert_eq!(same["findings"].as_array().unwrap().len(), 0);
        let shrunk = diff(&[&[large, small][..], &exe].concat());
        assert_eq!(shrunk["findings"].as_array().unwrap().len(), 0, "{shrunk:#}");

        let ends_with = |arguments: &[&str]| tophash(arguments).status.code();
        let fail_on = [exe[0], exe[1], "--fail-on", "info"];
        assert_eq!(ends_with(&[&["diff", small, large][..], &fail_on].concat()), Some(1));
        assert_eq!(ends_with(&[&["diff", large, large][..], &fail_on].concat()), Some(0));
    }
}

#[test]
fn json_that_is_no_report_is_refused() {
    let (_guard, dir) = folder();
    let path = dir.join("other.json");
    std::fs::write(&path, "{\"maps\": 3}").unwrap();
    let output = tophash(&["diff", path.to_str().unwrap(), path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("other.json is not a report of `tophash inspect --format json`"),
        "{told}"
    );
}
