//! Heap profiles of the model: sampled as Go samples, and opened by Go's own tool.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

use std::process::Command;

use tophash_goruntime::GoVersion;
use tophash_lab::{MapId, PointerMap, Role, Runtime, RuntimeOptions, SiteFrame, Slot};
use tophash_memory::Address;
use tophash_profile::Profile;
use xtask::toolchain::{self, MATRIX};

const KEPT: u64 = 20_000;

fn frame(function: &str, line: i64) -> SiteFrame {
    SiteFrame { function: function.to_owned(), file: "/src/main.go".to_owned(), line }
}

/// A program that keeps 20,000 objects of 208 bytes and drops as many of 1024.
fn program(rate: u64) -> Runtime {
    let options = RuntimeOptions {
        profile_rate: rate,
        ..RuntimeOptions::new(GoVersion::parse("go1.27.3").unwrap())
    };
    let mut runtime = Runtime::new(options).unwrap();
    let main = runtime.go(1, &[]).unwrap();
    let pointer = runtime.pointer_map(PointerMap::new(8, [0], Role::Plain));
    let setup = runtime.add_site(vec![frame("main.main", 3)]);
    let kept = runtime.add_site(vec![frame("main.(*cache).put", 20), frame("main.main", 9)]);
    let dropped = runtime.add_site(vec![frame("main.render", 40), frame("main.main", 10)]);
    runtime.set_site(setup);
    let table = runtime.allocate(main, 8 * KEPT, pointer).unwrap();
    runtime.store(Slot::Stack(main, 0), table);
    for index in 0..KEPT {
        runtime.set_site(kept);
        let at = runtime.allocate(main, 200, MapId::NONE).unwrap();
        runtime.store(Slot::Heap(Address::new(table.get() + 8 * index)), at);
        runtime.set_site(dropped);
        runtime.allocate(main, 1000, MapId::NONE).unwrap();
    }
    runtime.gc();
    runtime
}

/// Objects and bytes by the innermost function: allocated, and in use.
fn by_function(profile: &Profile, function: &str) -> [i64; 4] {
    let mut sums = [0; 4];
    for sample in profile.samples() {
        if sample.frames().next().is_some_and(|frame| frame.function == function) {
            for (column, sum) in sums.iter_mut().enumerate() {
                *sum += sample.value(column);
            }
        }
    }
    sums
}

#[test]
fn with_a_rate_of_one_the_profile_is_exact() {
    let profile = Profile::parse(&program(1).heap_profile()).unwrap();
    let names: Vec<_> = profile.sample_types().iter().map(|ty| ty.name.as_str()).collect();
    assert_eq!(names, ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"]);
    let kept = KEPT as i64;
    assert_eq!(by_function(&profile, "main.(*cache).put"), [kept, kept * 208, kept, kept * 208]);
    assert_eq!(by_function(&profile, "main.render"), [kept, kept * 1024, 0, 0]);
}

#[test]
fn samples_stand_for_what_was_allocated() {
    let profile = Profile::parse(&program(4096).heap_profile()).unwrap();
    let sample = profile.samples().find(|sample| sample.number_label("bytes") == Some(208));
    assert!(sample.is_some());
    let near = |found: i64, wanted: u64| (found as f64 / wanted as f64 - 1.0).abs() < 0.1;
    let [objects, bytes, live, live_bytes] = by_function(&profile, "main.(*cache).put");
    assert!(near(objects, KEPT) && near(bytes, KEPT * 208), "{objects} {bytes}");
    assert!(near(live, KEPT) && near(live_bytes, KEPT * 208), "{live} {live_bytes}");
    let [objects, _, live, _] = by_function(&profile, "main.render");
    assert!(near(objects, KEPT) && live == 0, "{objects} {live}");
}

#[test]
fn go_s_own_tool_opens_a_profile() {
    let toolchain = toolchain::ensure(MATRIX[MATRIX.len() - 1].version).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("heap.pb.gz");
    std::fs::write(&path, program(1).heap_profile()).unwrap();
    let mut pprof: Command = toolchain.go(dir.path(), "");
    let output =
        pprof.args(["tool", "pprof", "-top", "-sample_index=inuse_space"]).arg(&path).output();
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("Type: inuse_space"), "{text}");
    // 20,000 * 208 bytes, of those and the table.
    let row = text.lines().find(|line| line.ends_with("main.(*cache).put")).unwrap();
    assert!(row.trim_start().starts_with("4062.50kB 96.21%"), "{text}");
}
