//! What a map retains, held against what a real program frees when it lets go of it, for every way to
//! hold a map; and the path to it, which must name the holder.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use std::fmt::Write;

use common::{Way, by_address, folder, open, releases};
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
            for one in holdings {
                let case = format!("go{} {symbols:?} {}", release.version, one.name);
                let Some(map) = maps.get(&one.address) else {
                    writeln!(faults, "{case}: the map is missing").unwrap();
                    continue;
                };
                let told = running.tell(&one.name).unwrap();
                let freed = told[0].rsplit('\t').next().unwrap().parse::<i64>().unwrap();
                let freed = u64::try_from(freed).unwrap_or(0);
                let retained = map["retained_bytes"].as_u64().unwrap();
                if retained.abs_diff(freed) > ALLOWANCE {
                    writeln!(faults, "{case}: retains {retained}, {freed} were freed").unwrap();
                }
                let path = map["root"]["path"].to_string();
                // Without symbols, globals have no names, but functions have.
                let is_named = symbols == Symbols::Kept || one.path.starts_with("main.wait");
                if is_named && !path.contains(&one.path) {
                    writeln!(faults, "{case}: held by {path}, not {}", one.path).unwrap();
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}
