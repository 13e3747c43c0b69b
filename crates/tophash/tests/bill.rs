//! What the memory of a program is, held against the runtime's own account of it.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use common::{inspect, releases};
use xtask::fixture::{self, Fixture, Symbols};
use xtask::running::Running;

/// What the program allocates between counting and being looked at.
const ALLOWANCE: u64 = 64 << 10;

#[test]
fn the_bill_is_what_the_runtime_says_of_its_memory() {
    for release in releases() {
        for symbols in [Symbols::Kept, Symbols::Stripped] {
            let case = format!("go{} {symbols:?}", release.version);
            let program = fixture::build(release.version, Fixture::Holdings, symbols).unwrap();
            let mut running = Running::start(&program).unwrap();
            let told = running.tell("stats").unwrap();
            let numbers: Vec<u64> =
                told[0].split('\t').skip(1).map(|number| number.parse().unwrap()).collect();
            let [alloc, in_use, stacks, next] = numbers.as_slice() else { panic!("{told:?}") };

            let report = inspect(&[&running.pid().to_string(), "--max-pause", "20s"]);
            let bill = &report["bill"];
            let bytes = |field: &str| bill[field].as_u64().unwrap();
            let near = |what: &str, ours: u64, theirs: u64| {
                assert!(ours.abs_diff(theirs) <= ALLOWANCE, "{case}: {what} {ours}, not {theirs}");
            };
            near("live", bytes("reachable_bytes") + bytes("garbage_bytes"), *alloc);
            near("free", bytes("free_slot_bytes"), in_use - alloc);
            near("stacks", bytes("stack_bytes"), *stacks);
            assert!(bytes("resident_bytes") >= bytes("other_bytes") + alloc / 2, "{bill:#}");
            let classes = bill["size_classes"].as_array().unwrap();
            let spans: u64 = classes.iter().map(|row| row["span_bytes"].as_u64().unwrap()).sum();
            near("spans", spans, *in_use);
            match symbols {
                Symbols::Kept => {
                    assert_eq!(bill["gc"]["percent"], 150, "{case}");
                    let gc = |field: &str| bill["gc"][field].as_u64().unwrap();
                    assert_eq!(gc("memory_limit_bytes"), 1 << 30, "{case}");
                    near("goal", gc("goal_bytes"), *next);
                    near("headroom", gc("headroom_bytes"), next - alloc);
                    near(
                        "below the limit",
                        gc("limit_headroom_bytes"),
                        (1 << 30) - in_use - stacks,
                    );
                }
                Symbols::Stripped => assert!(bill["gc"].is_null(), "{case}"),
            }
        }
    }
}
