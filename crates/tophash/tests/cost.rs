//! What a map owns, held to the byte against what the runtime says that building it cost.
//!
//! `fixtures/mapcost` builds many maps of a type, and measures the heap before and after.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use std::fmt::Write;

use common::{Way, builds, by_address, folder, open};
use xtask::facts;
use xtask::fixture::{Fixture, Symbols, build_experiment};
use xtask::running::Running;

#[test]
fn own_bytes_are_what_building_the_maps_cost() {
    let (_guard, dir) = folder();
    let mut faults = String::new();
    let mut checked = 0;
    for (version, experiment) in builds() {
        let symbols = Symbols::Kept;
        let program = build_experiment(version, experiment, Fixture::MapCost, symbols).unwrap();
        let running = Running::start(&program).unwrap();
        let maps = by_address(&open(Way::Core, running.pid(), &program, &dir));
        for cost in facts::costs(running.lines()).unwrap() {
            let own: Option<u64> =
                cost.addresses.iter().map(|address| maps.get(address)?["own_bytes"].as_u64()).sum();
            checked += 1;
            if own != Some(cost.bytes) {
                writeln!(
                    faults,
                    "go{version} {experiment}: {} with {} entries ({}), {} maps: {own:?} not {}",
                    cost.type_name,
                    cost.entries,
                    cost.mode,
                    cost.addresses.len(),
                    cost.bytes
                )
                .unwrap();
            }
        }
    }
    assert!(checked > 100, "only {checked} costs were looked at");
    assert!(faults.is_empty(), "\n{faults}");
}
