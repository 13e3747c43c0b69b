//! Predictions against what real maps cost, through the command itself.
//!
//! `fixtures/predict` builds maps of types that few think of, and measures them; the types are read
//! from its source or from the program. It also tells the layout of the standard library's types.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use common::{builds, folder, say, tophash};
use serde_json::Value;
use tophash_gomap::{StandardTypes, parse_map_type};
use xtask::fixture::{Fixture, Symbols, build_experiment, build_position_independent};
use xtask::running::Running;

/// What the runtime may make for itself between two measures.
const RUNTIME_BYTES: f64 = 8192.0;
const RUNTIME_OBJECTS: f64 = 40.0;

fn predicted(arguments: &[&str]) -> Value {
    let mut all = vec!["predict", "--format", "json"];
    all.extend(arguments);
    let output = tophash(&all);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/predict")
}

/// `1.25-noswissmap`, from `1.25.5` and `noswissmap`.
fn release_name(version: &str, experiment: &str) -> String {
    let minor: Vec<&str> = version.split('.').take(2).collect();
    match experiment {
        "" => minor.join("."),
        experiment => format!("{}-{experiment}", minor.join(".")),
    }
}

#[test]
fn predictions_are_what_real_maps_cost() {
    let mut faults = String::new();
    let (mut checked, mut worst) = (0, 0.0_f64);
    for (version, experiment) in builds() {
        let go = release_name(version, experiment);
        let program = build_experiment(version, experiment, Fixture::Predict, Symbols::Stripped);
        let program = program.unwrap();
        let running = Running::start(&program).unwrap();
        let places = [source(), program];
        let lines = running.lines().iter().filter_map(|line| line.strip_prefix("COST\t"));
        for (index, line) in lines.enumerate() {
            let fields: Vec<&str> = line.split('\t').collect();
            let number = |at: usize| fields[at].parse::<f64>().unwrap();
            // By turns from the source and from the program.
            let types = places[index % 2].to_str().unwrap();
            let [ty, entries, hint, deleted] = [fields[0], fields[1], fields[2], fields[3]];
            let report = predicted(&[
                ty, "--types", types, "--go", &go, "-n", entries, "--hint", hint, "--delete",
                deleted,
            ]);
            let row = &report["rows"][0];
            let maps = number(4);
            // A split frees a table and makes two.
            let deviations = |of: &str| row["deviation"][of].as_f64().unwrap();
            let deviation = deviations("retained_bytes");
            let is_exact = row["exact"].as_bool().unwrap();
            for (name, at, chance, runtime) in [
                ("retained_bytes", 5, deviation, RUNTIME_BYTES),
                ("allocated_bytes", 6, 2.0 * deviation, RUNTIME_BYTES),
                ("objects", 7, deviations("objects"), RUNTIME_OBJECTS),
                ("allocations", 8, deviations("allocations"), RUNTIME_OBJECTS),
                ("scan_bytes", 9, deviation, RUNTIME_BYTES),
            ] {
                let real = number(at) / maps;
                if real < 0.0 {
                    continue;
                }
                let ours = row[name].as_f64().unwrap();
                // Of so many figures, some are further off than three standard errors.
                let chance = 5.0 * chance / maps.sqrt() + (runtime + 0.5) / maps;
                let tolerance = match is_exact {
                    // Large objects are scanned in parts, each to its own last pointer.
                    true if name == "scan_bytes" => runtime / maps + 0.01 * real,
                    true => runtime / maps,
                    false => 0.01 * real + chance + 0.5,
                };
                // From Go 1.26 on, small objects count whole where the processor has AVX-512 and
                // many of a span are scanned (`runtime.scanSpan`).
                let minor: u32 = version.split('.').nth(1).unwrap().parse().unwrap();
                if name == "scan_bytes" && minor >= 26 {
                    let retained = row["retained_bytes"].as_f64().unwrap();
                    assert!(real > ours - tolerance && real < retained + tolerance, "{line} {row}");
                    continue;
                }
                let off = (ours - real).abs();
                checked += 1;
                worst = worst.max((off - chance).max(0.0) / real.max(1.0));
                if off > tolerance {
                    writeln!(
                        faults,
                        "go{go} {ty} n {entries} hint {hint} deleted {deleted}: {name} {ours} not \
                         {real:.1} ({maps} maps, exact {is_exact})"
                    )
                    .unwrap();
                }
            }
        }
    }
    say(&format!("{checked} figures, the worst {:.2} % off beyond chance", 100.0 * worst));
    assert!(checked > 3000, "only {checked} figures were compared");
    assert!(faults.is_empty(), "{} deviate:\n{faults}", faults.lines().count());
}

#[test]
fn the_standard_library_s_types_are_laid_out_as_reflect_says() {
    let mut faults = String::new();
    let mut checked = 0;
    for (version, experiment) in builds() {
        let program = build_experiment(version, experiment, Fixture::Predict, Symbols::Stripped);
        let running = Running::start(&program.unwrap()).unwrap();
        let minor: u32 = version.split('.').nth(1).unwrap().parse().unwrap();
        for line in running.lines().iter().filter_map(|line| line.strip_prefix("STD\t")) {
            let fields: Vec<&str> = line.split('\t').collect();
            let real = [1, 2, 3].map(|at| fields[at].parse::<u64>().unwrap());
            let text = format!("map[int]{}", fields[0]);
            let ours = parse_map_type(&text, &StandardTypes::of(minor))
                .map(|map| [map.elem.size(), map.elem.align(), map.elem.pointer_bytes()]);
            checked += 1;
            if ours.as_ref().ok() != Some(&real) {
                writeln!(faults, "go{version} {}: {ours:?} not {real:?}", fields[0]).unwrap();
            }
        }
    }
    assert!(checked > StandardTypes::names().count(), "{checked}");
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn a_program_that_is_loaded_anywhere_tells_its_types() {
    let version = xtask::toolchain::MATRIX.last().unwrap().version;
    let program = build_position_independent(version, Fixture::Predict, Symbols::Stripped).unwrap();
    let report = predicted(&["map[string]Odd", "--types", program.to_str().unwrap(), "-n", "8"]);
    assert_eq!(report["type"], "map[string]main.Odd");
    assert_eq!(report["rows"].as_array().unwrap().len(), 8);
}

#[test]
fn every_release_has_a_row_and_large_maps_take_no_longer() {
    let start = std::time::Instant::now();
    let report = predicted(&["map[string]int", "-n", "1e10", "--delete", "25%"]);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    assert_eq!(report["schema"], 1);
    let rows = report["rows"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row["go"].as_str().unwrap()).collect();
    assert_eq!(names, ["1.19", "1.21", "1.22", "1.23", "1.24", "1.25", "1.26", "1.27"]);
    for row in rows {
        let of = |name: &str| row[name].as_u64().unwrap();
        assert_eq!((of("n"), of("deleted"), of("hint")), (10_000_000_000, 2_500_000_000, 0));
        assert!(of("retained_bytes") > 40 * of("n"), "{row}");
        assert!(of("peak_bytes") >= of("retained_bytes"), "{row}");
        assert!(of("allocated_bytes") >= of("peak_bytes"), "{row}");
        assert!(of("wasted_bytes") == of("retained_bytes") - 24 * 7_500_000_000, "{row}");
        assert!(of("next_growth_at") >= of("n"), "{row}");
        assert!(of("slots") >= of("n"), "{row}");
    }
}

#[test]
fn experiments_are_asked_for_by_name() {
    let report = predicted(&[
        "map[int32]bool",
        "-n",
        "100",
        "--go",
        "1.25-noswissmap,1.27",
        "--go",
        "1.27-mapsplitgroup",
    ]);
    let rows = report["rows"].as_array().unwrap();
    let names: Vec<_> = rows
        .iter()
        .map(|row| [row["go"].as_str(), row["design"].as_str()].map(Option::unwrap))
        .collect();
    assert_eq!(
        names,
        [["1.25-noswissmap", "classic"], ["1.27", "swiss"], ["1.27-mapsplitgroup", "swiss"]]
    );
    // Four bytes and one, padded to eight in a slot; apart, five.
    assert!(rows[2]["retained_bytes"].as_u64() < rows[1]["retained_bytes"].as_u64(), "{report}");
}

#[test]
fn the_table_and_the_charts_tell_the_same_to_people() {
    let (_guard, dir) = folder();
    let file = dir.join("chart.svg");
    let arguments = ["predict", "map[string]int", "-n", "100k", "--chart", "--svg"];
    let output = tophash(&[&arguments[..], &[file.to_str().unwrap()]].concat());
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "map[string]int 100,000 entries",
        "RETAINED",
        "1.24 to 1.27",
        "make(map[string]int, 100000)",
        "━━",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "colour where there is no terminal");
    let svg = std::fs::read_to_string(file).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("Go 1.21 (classic)"), "{svg}");
}

#[test]
fn what_can_not_be_predicted_is_refused_in_words() {
    for (arguments, code, words) in [
        (&["map[string]Session", "-n", "1"][..], 3, "--types"),
        (&["map[[]int]int", "-n", "1"], 3, "can't be compared"),
        (&["map[int", "-n", "1"], 3, "^"),
        (&["map[int]int", "-n", "1", "--go", "1.18"], 3, "1.27"),
        (&["map[int]int", "-n", "1", "--types", "no/such.go"], 3, "no/such.go"),
        (&["map[int]int", "-n", "1", "--types", "/bin/sh"], 3, "Go"),
        (&["map[int]int", "-n", "5", "--delete", "6"], 3, "can't be deleted"),
        (&["map[int]int", "-n", "1e17"], 3, "address space"),
        (&["map[int]int", "-n", "x"], 2, "1e6"),
        (&["map[int]int"], 2, "--entries"),
    ] {
        let output = tophash(&[&["predict"], arguments].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(words), "{arguments:?}: {errors}");
    }
    // Where types were given, it says so.
    let folder = source();
    let output =
        tophash(&["predict", "map[int]Missing", "-n", "1", "--types", folder.to_str().unwrap()]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("fixtures/predict declares none"), "{errors}");
}
