//! What real programs of every release print under `gctrace` and `scavtrace`, read line by line.

use std::process::Command;

use tophash_vitals::{TraceLine, parse_trace_line};
use xtask::fixture::{self, Fixture, Symbols};
use xtask::toolchain::Release;

#[test]
fn every_line_of_every_release_is_read_and_no_other() {
    for release in Release::tested() {
        let program = fixture::build(release.version, Fixture::Vitals, Symbols::Stripped).unwrap();
        let output = Command::new(program)
            .arg("trace")
            .env("GODEBUG", "gctrace=1,scavtrace=1")
            .output()
            .unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        let cycles: u64 =
            told.lines().next().unwrap().strip_prefix("cycles\t").unwrap().parse().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        let version = release.version;
        let mut last = None;
        let (mut collections, mut forced, mut scavenged) = (0, 0, 0);
        for line in log.lines() {
            let is_the_runtimes = line.starts_with("gc ") || line.starts_with("scav ");
            let found = parse_trace_line(line);
            assert_eq!(found.is_some(), is_the_runtimes, "{version}: {line}");
            match found {
                Some(TraceLine::Gc(gc)) => {
                    collections += 1;
                    forced += u64::from(gc.is_forced);
                    assert_eq!(gc.cycle, collections, "{version}: {line}");
                    assert!(gc.processors > 0 && gc.goal > 0, "{version}: {line}");
                    assert!(gc.stacks.is_some() && gc.globals.is_some(), "{version}: {line}");
                    last = Some(gc);
                }
                Some(TraceLine::Scav(scav)) => {
                    scavenged += 1;
                    assert!(scav.utilization_percent <= 100, "{version}: {line}");
                }
                _ => {}
            }
        }
        assert_eq!(collections, cycles, "{version}");
        assert!(forced >= 1 && scavenged >= 1, "{version}: {log}");
        // 100,000 sessions of 240 bytes are alive at the end, and little else.
        let live = last.unwrap().live >> 20;
        assert!((23..=40).contains(&live), "{version}: {live} MiB");
        eprintln!(
            "Go {version}: {collections} collections, {scavenged} lines on memory given back"
        );
    }
}
