//! Programs that nobody here wrote, stripped by their distributors and busy with a small load:
//! opened live, frozen and running, and from a core.
//!
//! They are fetched over the network, so all this happens only with `TOPHASH_WIDE` set. The share
//! of bytes that got a type is printed for each, since what is attainable differs: these programs
//! have no DWARF, and a type that only DWARF tells stays open.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{WAYS, Way, folder, is_wide, say};
use serde_json::Value;
use xtask::programs::{Program, Started};

/// Longer than any of the programs takes on a busy machine: more is a hang.
const PATIENCE: Duration = Duration::from_secs(180);

/// What must be found in a program, well below what is found today.
struct Floor {
    maps: usize,
    /// The most percent of maps that may stay open between several types.
    open: f64,
    /// The least percent of reachable bytes that get a type.
    attributed: f64,
}

fn floor(program: Program) -> Floor {
    match program {
        Program::Prometheus => Floor { maps: 10_000, open: 5.0, attributed: 50.0 },
        Program::Etcd => Floor { maps: 300, open: 15.0, attributed: 80.0 },
        Program::Nats => Floor { maps: 250, open: 10.0, attributed: 65.0 },
        Program::Caddy => Floor { maps: 500, open: 25.0, attributed: 80.0 },
        Program::Esbuild => Floor { maps: 100, open: 25.0, attributed: 60.0 },
    }
}

/// The least percent of reachable bytes that get a type where there is DWARF.
const ATTRIBUTED_WITH_DWARF: f64 = 90.0;

macro_rules! if_wide {
    ($($test:ident: $program:ident;)*) => {$(
        #[test]
        fn $test() {
            if is_wide() {
                check(Program::$program);
            } else {
                say(&format!("{}: NOT RUN, as TOPHASH_WIDE is not set", stringify!($test)));
            }
        }
    )*};
}

if_wide! {
    if_wide_debians_prometheus_is_read: Prometheus;
    if_wide_debians_etcd_is_read: Etcd;
    if_wide_debians_nats_is_read: Nats;
    if_wide_a_wheels_caddy_is_read: Caddy;
    if_wide_npms_esbuild_without_build_information_is_read: Esbuild;
}

fn check(program: Program) {
    let (_guard, dir) = folder();
    let started = program.start().unwrap();
    let mut faults = Vec::new();
    let mut counts = Vec::new();
    for way in WAYS {
        match open(way, &started, &dir) {
            Ok(report) => counts.push(judge(program, way, &report, &mut faults)),
            Err(fault) => faults.push(format!("{way:?}: {fault}")),
        }
    }
    // The program goes on between one way and the next, so that the counts only resemble.
    if let (Some(least), Some(most)) = (counts.iter().min(), counts.iter().max())
        && *most > least + 20 + least / 10
    {
        faults.push(format!("the ways disagree on the number of maps: {counts:?}"));
    }
    assert!(faults.is_empty(), "{}: {faults:#?}", program.name());
}

/// Checks one report against the program's floor, prints its figures, and returns how many maps
/// it has.
fn judge(program: Program, way: Way, report: &Value, faults: &mut Vec<String>) -> usize {
    let floor = floor(program);
    let maps = report["maps"].as_array().unwrap();
    let open = maps.iter().filter(|map| map["type"].is_null()).count();
    let open_percent = percent(open as u64, maps.len() as u64);
    let reachable = report["heap"]["reachable_bytes"].as_u64().unwrap();
    let unknown = report["heap"]["unattributed_bytes"].as_u64().unwrap();
    let attributed = 100.0 - percent(unknown, reachable);
    let types = report["target"]["types"].as_str().unwrap();
    say(&format!(
        "{:<10} {} {way:?}: {attributed:.1} % of {reachable} reachable bytes have a type (from \
         {types}); {} maps, {open} of open type",
        program.name(),
        report["target"]["go"].as_str().unwrap(),
        maps.len(),
    ));
    let least = if types == "dwarf" { ATTRIBUTED_WITH_DWARF } else { floor.attributed };
    if maps.len() < floor.maps {
        faults.push(format!("{way:?}: only {} maps", maps.len()));
    }
    if open_percent > floor.open {
        faults.push(format!("{way:?}: {open} of {} maps have no type", maps.len()));
    }
    if attributed < least {
        faults.push(format!("{way:?}: only {attributed:.1} % of the bytes have a type"));
    }
    maps.len()
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// Inspects a program in one way; what went wrong is told in words.
fn open(way: Way, started: &Started, dir: &Path) -> Result<Value, String> {
    let pid = started.pid().to_string();
    let core = dir.join(format!("{}.core", started.program().name()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_tophash"));
    command.args(["inspect", "--format", "json"]);
    match way {
        Way::Core => {
            xtask::core::write_core(started.pid(), &core).map_err(|error| error.to_string())?;
            command.arg(&core).arg("--exe").arg(started.executable());
        }
        Way::Frozen => drop(command.args([&pid, "--max-pause", "20s"])),
        Way::Unfrozen => drop(command.args([&pid, "--unfrozen"])),
    }
    let [out, errors] = ["out", "errors"].map(|name| dir.join(name));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&errors).unwrap())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if begin.elapsed() > PATIENCE => {
                child.kill().unwrap();
                child.wait().unwrap();
                return Err(format!("no end after {PATIENCE:?}"));
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let errors = fs::read_to_string(errors).unwrap_or_default();
    if !status.success() {
        return Err(format!("{status}: {errors}"));
    }
    serde_json::from_slice(&fs::read(out).unwrap()).map_err(|error| format!("not JSON: {error}"))
}
