//! Every map of a real Go program, on every release, with DWARF and stripped, from a core and from
//! the live process: held against what the program says of its own maps.
//!
//! `fixtures/maps` prints address, type, length, slots and tombstones of each map, counted from
//! inside through `unsafe`, by code that shares nothing with the reader.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write;

use common::check::{Check, other_maps};
use common::{WAYS, builds, folder, open};
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
                let mut check = Check {
                    case: format!("go{version} {experiment} {symbols:?} {way:?}"),
                    is_stripped: symbols == Symbols::Stripped,
                    faults: &mut faults,
                };
                check.target(&report, way);
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
