//! Every map of a real Go program in the heap dump that it wrote of itself, on every release, with
//! DWARF and stripped: held against what the program says of its own maps.
//!
//! A dump costs no type that a core would give in this program, though a stripped program's maps are
//! open between several types more often: the secret of the runtime's hash is a global without
//! pointers, and these are not in a dump.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::check::{Check, Excuse, UNSEEN_WHEN_STRIPPED, open_types};
use common::{builds, by_address, folder, inspect, releases, tophash, types};
use serde_json::Value;
use xtask::facts;
use xtask::fixture::{Fixture, Symbols, build, build_experiment, build_position_independent};
use xtask::running::Running;

/// Maps that no dump tells of, and why.
const NOT_IN_A_DUMP: &[Excuse] = &[
    ("held.Cleanup", "cleanups hang on spans, outside the heap, and the runtime writes none"),
    ("held.CleanupArgument", "as held.Cleanup"),
];

/// A program that has written a dump of itself, and waits.
struct Dumped {
    running: Running,
    program: PathBuf,
    dump: PathBuf,
}

impl Dumped {
    fn start(program: PathBuf, dir: &Path) -> Self {
        let dump = dir.join("heap.dump");
        let mut command = Command::new(&program);
        let running = Running::start_command(command.env("TOPHASH_HEAP_DUMP", &dump)).unwrap();
        Self { running, program, dump }
    }

    fn report(&self) -> Value {
        inspect(&[self.dump.to_str().unwrap(), "--exe", self.program.to_str().unwrap()])
    }

    /// Checks the report, and returns the names of maps that it does not have.
    fn check(&self, case: String, symbols: Symbols, faults: &mut String) -> BTreeSet<String> {
        let report = self.report();
        let is_stripped = symbols == Symbols::Stripped;
        let unseen: &[&[Excuse]] = match is_stripped {
            true => &[NOT_IN_A_DUMP, UNSEEN_WHEN_STRIPPED],
            false => &[NOT_IN_A_DUMP],
        };
        let mut check = Check { case, open: open_types(symbols), unseen, faults };
        let target = &report["target"];
        check.that(target["source"] == "heapdump", &format!("source is {}", target["source"]));
        let types = if is_stripped { "runtime" } else { "dwarf" };
        check.that(target["types"] == types, &format!("types are from {}", target["types"]));
        let said = report["diagnostics"].as_array().unwrap();
        let unexpected = said.iter().find(|line| !line.as_str().unwrap().contains("AddCleanup"));
        check.that(unexpected.is_none(), &format!("it says {unexpected:?}"));
        let maps = by_address(&report);
        let mut missing = BTreeSet::new();
        let lines = self.running.lines();
        for fact in facts::maps(lines).unwrap().iter().filter(|fact| fact.address != 0) {
            let found = maps.get(&fact.address);
            check.map(fact, found);
            if found.is_none() {
                missing.insert(fact.name.clone());
            }
        }
        for fact in facts::sync_maps(lines).unwrap() {
            check.sync_map(&fact, maps.get(&fact.address));
        }
        for address in facts::garbage(lines).unwrap() {
            check.that(!maps.contains_key(&address), "garbage was taken for a map");
        }
        check.that(said.is_empty() == missing.is_empty(), "what is missing is not said");
        missing
    }
}

#[test]
fn every_map_of_every_release_is_found_in_a_heap_dump_and_read_right() {
    let (_guard, dir) = folder();
    let mut faults = String::new();
    let mut missing = BTreeSet::new();
    for (version, experiment) in builds() {
        for symbols in [Symbols::Kept, Symbols::Stripped] {
            let program = build_experiment(version, experiment, Fixture::Maps, symbols).unwrap();
            let dumped = Dumped::start(program, &dir);
            let case = format!("go{version} {experiment} {symbols:?}");
            missing.extend(dumped.check(case, symbols, &mut faults));
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
    let excused: Vec<&str> = NOT_IN_A_DUMP.iter().map(|(name, _)| *name).collect();
    assert!(missing.iter().eq(excused), "excused but found: {missing:?}");
}

#[test]
fn a_dump_of_a_position_independent_program_is_read_by_where_its_globals_lie() {
    let (_guard, dir) = folder();
    let mut faults = String::new();
    for release in releases() {
        let symbols = Symbols::Stripped;
        let program = build_position_independent(release.version, Fixture::Maps, symbols).unwrap();
        let case = format!("go{} as PIE", release.version);
        Dumped::start(program, &dir).check(case, symbols, &mut faults);
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn a_dump_and_a_core_of_one_process_tell_the_same_of_every_map() {
    let (_guard, dir) = folder();
    for release in releases() {
        let program = build(release.version, Fixture::Maps, Symbols::Kept).unwrap();
        let dumped = Dumped::start(program, &dir);
        let dump = dumped.report();
        let from_dump = by_address(&dump);
        let pid = dumped.running.pid();
        let core = common::open(common::Way::Core, pid, &dumped.program, &dir);
        let from_core = by_address(&core);
        // What the process allocated between the two.
        for (field, most) in [("spans", 50), ("objects", 1000)] {
            let [mine, other] =
                [&dump, &core].map(|report| report["heap"][field].as_u64().unwrap());
            assert!(mine <= other && other <= mine + most, "{mine} {field}, {other} in the core");
        }
        for fact in facts::maps(dumped.running.lines()).unwrap() {
            let (Some(mine), Some(other)) =
                (from_dump.get(&fact.address), from_core.get(&fact.address))
            else {
                continue;
            };
            // Stacks differ, since one of them was writing the dump.
            let is_heap = !fact.name.starts_with("stack.");
            for field in ["type", "entries", "slots", "own_bytes", "reclaimable_bytes", "root"] {
                let same = mine[field] == other[field] || !is_heap;
                assert!(same, "{}: {field}: {} not {}", fact.name, mine[field], other[field]);
            }
        }
    }
}

#[test]
fn where_maps_were_allocated_is_told_by_the_samples_in_the_dump() {
    let (_guard, dir) = folder();
    for release in releases() {
        let program = build(release.version, Fixture::Leaky, Symbols::Stripped).unwrap();
        let report = Dumped::start(program, &dir).report();
        let maps = report["maps"].as_array().unwrap();
        let sessions = maps
            .iter()
            .filter(|map| types(map).iter().any(|name| name == "map[string]*main.Session"))
            .max_by_key(|map| map["own_bytes"].as_u64())
            .unwrap();
        let calls = sessions["allocated_at"].as_array().unwrap();
        // Of an inlined call the runtime writes the line, and the function that holds the code.
        let first = &calls[0];
        assert!(first["file"].as_str().unwrap().ends_with("sessions.go"), "{first}");
        assert!(first["function"].as_str().unwrap().starts_with("main."), "{first}");
        assert!(calls.iter().any(|call| call["function"] == "main.main"), "{calls:?}");
    }
}

mod refusals {
    use super::*;

    fn refused(arguments: &[&str]) -> String {
        let output = tophash(&[&["inspect"], arguments].concat());
        assert_eq!(output.status.code(), Some(3), "{arguments:?} should be refused");
        String::from_utf8(output.stderr).unwrap()
    }

    #[test]
    fn a_dump_needs_the_executable_that_wrote_it() {
        let (_guard, dir) = folder();
        let mine = build("1.27", Fixture::Maps, Symbols::Stripped).unwrap();
        let dumped = Dumped::start(mine, &dir);
        let dump = dumped.dump.to_str().unwrap();
        let said = refused(&[dump]);
        assert!(said.contains("needs its executable") && said.contains("--exe"), "{said}");
        let with = |program: &Path| refused(&[dump, "--exe", program.to_str().unwrap()]);

        // Of another release, another program, and another link of the same one.
        for other in [
            build("1.24", Fixture::Maps, Symbols::Stripped),
            build("1.27", Fixture::Leaky, Symbols::Stripped),
            build_position_independent("1.27", Fixture::Maps, Symbols::Stripped),
        ] {
            let said = with(&other.unwrap());
            assert!(said.contains("did not write the heap dump"), "{said}");
        }
        // Others that have their globals where this one has them.
        let changed = |from: &str, to: &str| {
            let mut bytes = fs::read(&dumped.program).unwrap();
            let places: Vec<usize> = (0..bytes.len() - from.len())
                .filter(|at| bytes[*at..].starts_with(from.as_bytes()))
                .collect();
            for at in places {
                bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
            }
            let path = dir.join(to);
            fs::write(&path, bytes).unwrap();
            with(&path)
        };
        let said = changed("go1.27.3", "go1.27.2");
        assert!(said.contains("is of \"go1.27.3\", the executable of go1.27.2"), "{said}");
        let said = changed("main.dumpHeap", "main.dumpHeaq");
        assert!(said.contains("main.dumpHeap is not at 0x"), "{said}");
        // No Go program, no program, and nothing.
        assert!(with(Path::new("/bin/true")).contains("/bin/true"));
        assert!(with(&dumped.dump).contains("not an ELF file"));
        assert!(with(&dir.join("nowhere")).contains("can't be read"));
    }

    #[test]
    fn a_damaged_dump_is_read_or_refused_in_words() {
        let (_guard, dir) = folder();
        let program = build("1.27", Fixture::Maps, Symbols::Stripped).unwrap();
        let dumped = Dumped::start(program, &dir);
        let whole = fs::read(&dumped.dump).unwrap();
        let (dump, exe) = (dumped.dump.to_str().unwrap(), dumped.program.to_str().unwrap());
        // The same damage in every run (a congruential generator, Knuth's MMIX).
        let mut state = 20_260_302_u64;
        let mut next = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for round in 0..24 {
            let mut bytes = whole.clone();
            for _ in 0..1 << (round % 12) {
                bytes[16 + next(whole.len() - 16)] = [0, 1, 0x7f, 0xff, next(256) as u8][next(5)];
            }
            fs::write(&dumped.dump, bytes).unwrap();
            let output = tophash(&["inspect", dump, "--exe", exe]);
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(matches!(output.status.code(), Some(0 | 3)), "round {round}: {said}");
        }
    }

    #[test]
    fn a_dump_that_was_cut_off_is_read_as_far_as_it_goes() {
        let (_guard, dir) = folder();
        for version in ["1.19", "1.27"] {
            let program = build(version, Fixture::Maps, Symbols::Stripped).unwrap();
            let dumped = Dumped::start(program, &dir);
            let whole = fs::read(&dumped.dump).unwrap();
            let all = by_address(&dumped.report()).len();
            let parts = 12;
            for part in 1..=parts {
                let len = whole.len() * part / parts - 1;
                fs::write(&dumped.dump, &whole[..len]).unwrap();
                let report = dumped.report();
                let said = report["diagnostics"].to_string();
                assert!(said.contains("the heap dump is cut off within"), "{said}");
                let found = by_address(&report).len();
                assert!(found <= all, "{found} maps of {all} in {len} bytes");
                assert_eq!(found == all, part == parts, "{found} maps of {all} in {len} bytes");
            }
        }
    }
}
