//! Every map of a real Go program, on every release, with DWARF and stripped, from a core and from
//! the live process: held against what the program says of its own maps.
//!
//! `fixtures/maps` prints address, type, length, slots and tombstones of each map, counted from
//! inside through `unsafe`, by code that shares nothing with the reader.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write;

use common::check::{Check, UNSEEN_WHEN_STRIPPED, open_types, other_maps};
use common::{WAYS, Way, builds, folder, open};
use serde_json::Value;
use xtask::fixture::{Fixture, Symbols, build_experiment};
use xtask::running::Running;

#[test]
fn every_map_of_every_release_is_found_and_read_right() {
    let (_guard, dir) = folder();
    let mut faults = String::new();
    let mut checked = 0;
    for (version, experiment) in builds() {
        let mut others = BTreeMap::new();
        for symbols in [Symbols::Kept, Symbols::Stripped] {
            let program = build_experiment(version, experiment, Fixture::Maps, symbols).unwrap();
            let running = Running::start(&program).unwrap();
            for way in WAYS {
                let report = open(way, running.pid(), &program, &dir);
                let is_stripped = symbols == Symbols::Stripped;
                let mut check = Check {
                    case: format!("go{version} {experiment} {symbols:?} {way:?}"),
                    open: open_types(symbols),
                    unseen: if is_stripped { &[UNSEEN_WHEN_STRIPPED] } else { &[] },
                    faults: &mut faults,
                };
                check_target(&mut check, &report, way, is_stripped);
                checked += check.maps(&report, running.lines());
                let rest = other_maps(&report, running.lines());
                others.insert((symbols == Symbols::Stripped, format!("{way:?}")), rest);
            }
        }
        // The runtime's and the library's maps have no such list, but they are the same in each.
        let counts: Vec<usize> = others.values().copied().collect();
        if counts.iter().any(|count| *count != counts[0]) {
            writeln!(faults, "go{version} {experiment}: other maps differ: {others:?}").unwrap();
        }
    }
    assert!(checked > 1000, "only {checked} maps were looked at");
    assert!(faults.is_empty(), "\n{faults}");
}

/// The least percent of reachable bytes that get a type.
const ATTRIBUTED_WITH_DWARF: u64 = 95;
const ATTRIBUTED_WHEN_STRIPPED: u64 = 90;

fn check_target(check: &mut Check<'_>, report: &Value, way: Way, is_stripped: bool) {
    let target = &report["target"];
    let source = if way == Way::Core { "core" } else { "process" };
    check.that(target["source"] == source, &format!("source is {}", target["source"]));
    let types = if is_stripped { "runtime" } else { "dwarf" };
    check.that(target["types"] == types, &format!("types are from {}", target["types"]));
    let bytes = |field: &str| report["heap"][field].as_u64().unwrap();
    let known = 100 - 100 * bytes("unattributed_bytes") / bytes("reachable_bytes");
    let least = if is_stripped { ATTRIBUTED_WHEN_STRIPPED } else { ATTRIBUTED_WITH_DWARF };
    check.that(known >= least, &format!("only {known} % of the bytes have a type"));
    let pause = target["pause_ms"].as_f64().unwrap();
    check.that((pause > 0.0) == (way == Way::Frozen), &format!("the pause was {pause} ms"));
    if way == Way::Unfrozen {
        let torn = report["maps"].as_array().unwrap().iter().filter(|map| map["torn"] == true);
        let torn = torn.count();
        check.that(torn == 0, &format!("{torn} maps of an idle process are torn"));
    }
}
