//! What maps retain, held against the runtime's own account of what building them cost: the live heap
//! before and after a map with all that only it holds.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use std::process::Command;

use common::{Way, folder, open, releases};
use xtask::fixture::{self, Fixture, Symbols};
use xtask::running::Running;

/// The runtime allocates for itself meanwhile, now and then some KiB, and small strings share blocks of
/// 16 bytes.
const SLACK: u64 = 16 << 10;

#[test]
fn maps_retain_what_building_them_cost() {
    let (_guard, dir) = folder();
    for release in releases() {
        for symbols in [Symbols::Kept, Symbols::Stripped] {
            let program = fixture::build(release.version, Fixture::Bench, symbols).unwrap();
            let running = Running::start_command(Command::new(&program).arg("60000")).unwrap();
            let report = open(Way::Core, running.pid(), &program, &dir);
            let maps = report["maps"].as_array().unwrap();
            for line in running.lines().iter().filter(|line| line.starts_with("MAP\t")) {
                let fields: Vec<&str> = line.split('\t').collect();
                let (entries, cost): (u64, u64) =
                    (fields[2].parse().unwrap(), fields[3].parse().unwrap());
                // The three largest maps, in a stripped program also where a type is open.
                let found = maps
                    .iter()
                    .filter(|map| map["entries"] == entries)
                    .map(|map| map["retained_bytes"].as_u64().unwrap());
                let closest = found.min_by_key(|retained| retained.abs_diff(cost)).unwrap();
                assert!(
                    closest.abs_diff(cost) <= SLACK,
                    "go{} {symbols:?}: {} retains {closest}, not {cost}",
                    release.version,
                    fields[1],
                );
            }
            let retained: u64 =
                maps.iter().map(|map| map["retained_bytes"].as_u64().unwrap()).max().unwrap();
            assert!(report["heap"]["reachable_bytes"].as_u64().unwrap() > retained);
        }
    }
}
