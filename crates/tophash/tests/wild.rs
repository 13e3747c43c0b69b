//! Leaks that real programs have had, rebuilt from the shape of their fixes: between two looks at the
//! program, the map that leaks is the first finding.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use std::process::Command;

use common::{folder, releases, tophash};
use serde_json::Value;
use xtask::fixture::{self, Fixture, Symbols};
use xtask::running::Running;

const LEAKS: [&str; 6] = [
    "fiber-3262",
    "fasthttp-2256",
    "aptly-1570",
    "pinchtab-94",
    "godet-12",
    "virtual-kubelet-1045",
];

#[test]
fn the_map_that_leaks_is_the_first_finding_between_two_looks() {
    let (_guard, dir) = folder();
    let [before, after] = ["before.core", "after.core"].map(|name| dir.join(name));
    for release in releases() {
        for symbols in [Symbols::Kept, Symbols::Stripped] {
            let program = fixture::build(release.version, Fixture::Wild, symbols).unwrap();
            for leak in LEAKS {
                let case = format!("go{} {symbols:?} {leak}", release.version);
                let mut running = Running::start_command(Command::new(&program).arg(leak)).unwrap();
                xtask::core::write_core(running.pid(), &before).unwrap();
                running.tell("more").unwrap();
                xtask::core::write_core(running.pid(), &after).unwrap();
                let line = running.lines()[0].clone();
                let fields: Vec<&str> = line.split('\t').collect();
                let (ty, path) = (fields[1], fields[2]);

                let [before, after, exe] =
                    [&before, &after, &program].map(|path| path.to_str().unwrap());
                let output = tophash(&["diff", before, after, "--exe", exe, "--format", "json"]);
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                let report: Value = serde_json::from_slice(&output.stdout).unwrap();
                let findings = report["findings"].as_array().unwrap();
                let first = findings.first().unwrap_or_else(|| panic!("{case}: nothing found"));
                assert_eq!(first["rule"], "growing", "{case}");
                // Served once before, and once more between the two.
                let title = first["title"].as_str().unwrap();
                assert!(title.contains(" grew from 20,000 to 40,000 entries"), "{case}: {title}");
                if symbols == Symbols::Kept {
                    assert!(title.starts_with(&format!("{ty} grew from")), "{case}: {title}");
                    let evidence = first["evidence"].to_string();
                    assert!(evidence.contains(path), "{case}: {evidence}, not {path}");
                }
                assert_eq!(findings.len(), 1, "{case}: {findings:#?}");
            }
        }
    }
}
