//! What a map retains, held against what a real program frees when it lets go of it, for every way to
//! hold a map; and the path to it, which must name the holder.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write;

use common::{Way, by_address, folder, open, releases};
use serde_json::Value;
use xtask::fixture::{self, Fixture, Symbols};
use xtask::running::Running;

/// Holders go with what they hold: structs, closures, list nodes, a goroutine's last words.
const ALLOWANCE: u64 = 1024;

/// A holding as the program tells of it.
struct Holding {
    name: String,
    address: u64,
    path: String,
}

fn holding(line: &str) -> Holding {
    let fields: Vec<&str> = line.split('\t').collect();
    let ["HOLDING", name, address, path] = fields.as_slice() else { panic!("{line}") };
    Holding {
        name: (*name).to_owned(),
        address: u64::from_str_radix(address.trim_start_matches("0x"), 16).unwrap(),
        path: (*path).to_owned(),
    }
}

/// The bytes that a program says were freed.
fn freed(line: &str) -> u64 {
    let freed = line.rsplit('\t').next().unwrap().parse::<i64>().unwrap();
    u64::try_from(freed).unwrap_or(0)
}

struct Check<'f> {
    release: &'static str,
    symbols: Symbols,
    faults: &'f mut String,
}

impl Check<'_> {
    fn holding(&mut self, one: &Holding, maps: &BTreeMap<u64, Value>, freed: u64) {
        let case = format!("go{} {:?} {}", self.release, self.symbols, one.name);
        let Some(map) = maps.get(&one.address) else {
            writeln!(self.faults, "{case}: the map is missing").unwrap();
            return;
        };
        let retained = map["retained_bytes"].as_u64().unwrap();
        if retained.abs_diff(freed) > ALLOWANCE {
            writeln!(self.faults, "{case}: retains {retained}, {freed} were freed").unwrap();
        }
        let path = map["root"]["path"].to_string();
        // Without symbols, globals have no names, but functions have.
        let is_named = self.symbols == Symbols::Kept || one.path.starts_with("main.wait");
        if is_named && !path.contains(&one.path) {
            writeln!(self.faults, "{case}: held by {path}, not {}", one.path).unwrap();
        }
    }
}

#[test]
fn maps_retain_what_letting_go_of_them_frees() {
    let (_guard, dir) = folder();
    let mut faults = String::new();
    for release in releases() {
        for symbols in [Symbols::Kept, Symbols::Stripped] {
            let program = fixture::build(release.version, Fixture::Holdings, symbols).unwrap();
            let mut running = Running::start(&program).unwrap();
            let report = open(Way::Core, running.pid(), &program, &dir);
            let maps = by_address(&report);
            let holdings: Vec<Holding> = running.lines().iter().map(|line| holding(line)).collect();
            assert!(holdings.len() >= 30, "only {} holdings", holdings.len());
            let mut check = Check { symbols, release: release.version, faults: &mut faults };
            for one in holdings {
                let told = running.tell(&one.name).unwrap();
                check.holding(&one, &maps, freed(&told[0]));
            }
            // What a pool holds is gone after two collections, so that it comes last.
            let told = running.tell("pool").unwrap();
            let report = open(Way::Core, running.pid(), &program, &dir);
            check.holding(&holding(&told[0]), &by_address(&report), freed(&told[1]));
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}
