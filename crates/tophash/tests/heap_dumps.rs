//! Every map of a real Go program in the heap dump that it wrote of itself, on every release, with
//! DWARF and stripped: held against what the program says of its own maps.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::check::{Check, Excuse};
use common::{builds, by_address, folder, inspect};
use xtask::facts;
use xtask::fixture::{Fixture, Symbols, build_experiment};
use xtask::running::Running;

/// Maps whose type a dump and a stripped program do not hold in every release, and why.
const OPEN_WHEN_STRIPPED: [Excuse; 0] = [];
/// Maps whose type a dump does not hold in every release even beside DWARF, and why.
const OPEN_WITH_DWARF: [Excuse; 0] = [];
/// Maps that a dump lacks, and why.
const UNSEEN_WITH_DWARF: [Excuse; 0] = [];
/// Those that a dump lacks where the program is stripped, and why.
const UNSEEN_WHEN_STRIPPED: [Excuse; 0] = [];

/// Runs a program that writes a dump of itself, and waits until it has.
fn dumped(program: &Path, dir: &Path) -> (Running, PathBuf) {
    let dump = dir.join("heap.dump");
    let mut command = Command::new(program);
    let running = Running::start_command(command.env("TOPHASH_HEAP_DUMP", &dump)).unwrap();
    (running, dump)
}

#[test]
fn every_map_of_every_release_is_found_in_a_heap_dump_and_read_right() {
    let (_guard, dir) = folder();
    let mut faults = String::new();
    let mut checked = 0;
    for (version, experiment) in builds() {
        for symbols in [Symbols::Kept, Symbols::Stripped] {
            let program = build_experiment(version, experiment, Fixture::Maps, symbols).unwrap();
            let (running, dump) = dumped(&program, &dir);
            let report = inspect(&[dump.to_str().unwrap(), "--exe", program.to_str().unwrap()]);
            let is_stripped = symbols == Symbols::Stripped;
            let mut check = Check {
                case: format!("go{version} {experiment} {symbols:?}"),
                open: if is_stripped { &OPEN_WHEN_STRIPPED } else { &OPEN_WITH_DWARF },
                unseen: if is_stripped { &UNSEEN_WHEN_STRIPPED } else { &UNSEEN_WITH_DWARF },
                faults: &mut faults,
            };
            let target = &report["target"];
            check.that(target["source"] == "heapdump", &format!("source is {}", target["source"]));
            let types = if is_stripped { "runtime" } else { "dwarf" };
            check.that(target["types"] == types, &format!("types are from {}", target["types"]));
            let said = &report["diagnostics"];
            check.that(said.as_array().unwrap().is_empty(), &format!("it says {said}"));
            let maps = by_address(&report);
            for fact in facts::maps(running.lines()).unwrap() {
                if fact.address != 0 {
                    check.map(&fact, maps.get(&fact.address));
                    checked += 1;
                }
            }
            for fact in facts::sync_maps(running.lines()).unwrap() {
                check.sync_map(&fact, maps.get(&fact.address));
            }
            for address in facts::garbage(running.lines()).unwrap() {
                check.that(!maps.contains_key(&address), "garbage was taken for a map");
            }
        }
    }
    assert!(checked > 1000, "only {checked} maps were looked at");
    assert!(faults.is_empty(), "\n{faults}");
}
