//! Every rule finds what it is for in a real program, and stays quiet about what looks alike.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use std::fmt::Write;

use common::{Way, folder, open, releases};
use serde_json::Value;
use xtask::fixture::{self, Fixture, Symbols};
use xtask::running::Running;
use xtask::toolchain::Release;

/// A case as the program tells of it.
struct Case {
    rule: String,
    triggers: bool,
    address: String,
    ty: String,
}

fn cases(lines: &[String]) -> Vec<Case> {
    let case = |line: &String| match line.split('\t').collect::<Vec<_>>().as_slice() {
        ["CASE", rule, verdict, address, ty] => Case {
            rule: (*rule).to_owned(),
            triggers: *verdict == "triggers",
            address: (*address).to_owned(),
            ty: (*ty).to_owned(),
        },
        _ => panic!("the program printed {line}"),
    };
    lines.iter().map(case).collect()
}

/// Rules that a release's design of maps gives no ground for, or a stripped program not always: then
/// the finding may be missing. With why.
fn excuse(case: &Case, release: Release, symbols: Symbols) -> Option<&'static str> {
    let minor: u32 = release.language().strip_prefix("1.").unwrap().parse().unwrap();
    match case.rule.as_str() {
        "tombstones" if minor < 24 => Some("classic maps use such cells again"),
        "overflow" if minor >= 24 => Some("Swiss maps have no overflow buckets"),
        "sync-map-churn" if minor >= 24 => Some("the hash trie holds each entry once"),
        "pinned-by-pool" if symbols == Symbols::Stripped => {
            Some("what a global of unknown type points to has no type where it is small")
        }
        "only-unsafe" if symbols == Symbols::Stripped => {
            Some("which type a global has, only DWARF always tells")
        }
        "indirect" | "duplicate-keys" if symbols == Symbols::Stripped => {
            Some("the map's type can stay open between several")
        }
        _ => None,
    }
}

#[test]
fn each_rule_finds_its_case_and_not_the_one_that_looks_alike() {
    let (_guard, dir) = folder();
    let mut faults = String::new();
    let mut found_rules = std::collections::BTreeSet::new();
    for release in releases() {
        for symbols in [Symbols::Kept, Symbols::Stripped] {
            let program = fixture::build(release.version, Fixture::Findings, symbols).unwrap();
            let mut running = Running::start(&program).unwrap();
            let report = open(Way::Core, running.pid(), &program, &dir);
            let findings = report["findings"].as_array().unwrap();
            for case in cases(running.lines()) {
                let is_of = |finding: &&Value| {
                    finding["rule"] == case.rule.as_str()
                        && (finding["map"] == case.address.as_str()
                            // Many maps make one finding; and a map in a frame moves with it.
                            || ["tiny-maps", "pinned-by-iterator"].contains(&&*case.rule)
                                && finding["title"].as_str().unwrap().contains(&*case.ty))
                };
                let found = findings.iter().find(is_of);
                if found.is_some() {
                    found_rules.insert(case.rule.clone());
                }
                let excuse = excuse(&case, release, symbols);
                let is_right = match (case.triggers, excuse) {
                    (true, None) => found.is_some(),
                    (true, Some(_)) => true,
                    (false, _) => found.is_none(),
                };
                if !is_right {
                    let others: Vec<_> = findings
                        .iter()
                        .filter(|finding| finding["map"] == case.address.as_str())
                        .map(|finding| finding["rule"].as_str().unwrap())
                        .collect();
                    writeln!(
                        faults,
                        "go{} {symbols:?}: {} {} {}: found {}, and {others:?} on it",
                        release.version,
                        case.rule,
                        if case.triggers { "for" } else { "beside" },
                        case.ty,
                        found.is_some(),
                    )
                    .unwrap();
                }
            }
            for line in running.tell("rebuild").unwrap() {
                let fields: Vec<&str> = line.split('\t').collect();
                let ["REBUILT", rule, saved] = fields.as_slice() else { panic!("{line}") };
                let saved: u64 = saved.parse().unwrap();
                let of_rule = findings.iter().find(|finding| finding["rule"] == *rule);
                let promised = of_rule.map_or(0, |finding| finding["bytes"].as_u64().unwrap());
                if promised.abs_diff(saved) > saved / 100 {
                    let case = format!("go{} {symbols:?} {rule}", release.version);
                    writeln!(faults, "{case}: {promised} were promised, {saved} saved").unwrap();
                }
            }
            for finding in findings {
                assert!(!finding["fix"].as_str().unwrap().is_empty(), "{finding}");
                assert!(finding["bytes"].as_u64().unwrap() > 0, "{finding}");
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
    assert_eq!(found_rules.len(), 16, "only {found_rules:?} found something");
}
