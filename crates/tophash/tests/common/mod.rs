//! Running tophash on the fixture programs, and reading its JSON.

#![allow(dead_code, reason = "each test file is a crate of its own and uses a part of this")]

pub(crate) mod check;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use xtask::toolchain::{self, Release};

/// How the target is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Core,
    Frozen,
    Unfrozen,
}

pub(crate) const WAYS: [Way; 3] = [Way::Core, Way::Frozen, Way::Unfrozen];

/// The releases to test: all of them with `TOPHASH_WIDE` set, else the first and last of each map
/// design.
pub(crate) fn releases() -> Vec<Release> {
    Release::tested()
}

/// Tells whether the wide matrix was asked for.
pub(crate) fn is_wide() -> bool {
    toolchain::is_wide()
}

/// The releases and experiments to test.
pub(crate) fn builds() -> Vec<(&'static str, &'static str)> {
    releases()
        .into_iter()
        .flat_map(|release| {
            std::iter::once("")
                .chain(release.tested_experiments().iter().copied())
                .map(move |e| (release.version, e))
        })
        .collect()
}

/// Runs tophash.
pub(crate) fn tophash(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tophash")).args(arguments).output().unwrap()
}

/// Runs `tophash inspect` and returns the JSON it prints.
pub(crate) fn inspect(arguments: &[&str]) -> Value {
    let mut all = vec!["inspect", "--format", "json"];
    all.extend(arguments);
    let output = tophash(&all);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Opens a running fixture one way or another.
pub(crate) fn open(way: Way, pid: u32, program: &Path, dir: &Path) -> Value {
    let pid_text = pid.to_string();
    match way {
        Way::Core => {
            let core = dir.join(format!("core.{pid}"));
            xtask::core::write_core(pid, &core).unwrap();
            let (core, program) = (core.to_str().unwrap(), program.to_str().unwrap());
            let report = inspect(&[core, "--exe", program]);
            std::fs::remove_file(core).unwrap();
            report
        }
        Way::Frozen => inspect(&[&pid_text, "--max-pause", "20s"]),
        Way::Unfrozen => inspect(&[&pid_text, "--unfrozen"]),
    }
}

/// The maps of a report by address.
pub(crate) fn by_address(report: &Value) -> BTreeMap<u64, Value> {
    report["maps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|map| {
            let text = map["address"].as_str().unwrap();
            (u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap(), map.clone())
        })
        .collect()
}

/// The types that a map may have by a report.
pub(crate) fn types(map: &Value) -> Vec<String> {
    match map["type"].as_str() {
        Some(one) => vec![one.to_owned()],
        None => map["type_candidates"]
            .as_array()
            .map(|list| list.iter().map(|name| name.as_str().unwrap().to_owned()).collect())
            .unwrap_or_default(),
    }
}

/// Prints a line past the test harness, which hides what passing tests print.
pub(crate) fn say(line: &str) {
    writeln!(std::io::stderr().lock(), "{line}").unwrap();
}

/// A folder that goes away with the test.
pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    (dir, path)
}
