//! Predictions against what real maps cost, line by line (`tests/truth/README.md`).

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

use std::path::Path;

use tophash_gomap::GoType;
use tophash_lab::{Deviation, NamedRelease, Plan, Prediction, predict};

/// What the runtime may have made for itself during a measure of all maps together.
const RUNTIME_BYTES: f64 = 8192.0;
const RUNTIME_OBJECTS: f64 = 50.0;

/// A line of a file.
struct Measured {
    line: String,
    type_name: String,
    plan: Plan,
    maps: f64,
    retained: f64,
    allocated: f64,
    objects: f64,
    mallocs: f64,
}

fn measured(release: &str) -> Vec<Measured> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/truth")
        .join(format!("mapcost-{release}.csv"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<_> = line.split(',').collect();
            let number = |at: usize| fields[at].parse::<f64>().unwrap();
            let entries = fields[3].parse().unwrap();
            let hint = if fields[2] == "hint" { entries } else { 0 };
            Measured {
                line: line.to_owned(),
                type_name: fields[1].to_owned(),
                plan: Plan { entries, hint, deleted: 0 },
                maps: number(4),
                retained: number(5),
                allocated: number(7),
                objects: number(8),
                mallocs: number(9),
            }
        })
        .collect()
}

fn key_and_elem(type_name: &str) -> (GoType, GoType) {
    let int64 = GoType::Integer(8);
    match type_name {
        "map[int64]int64" => (int64.clone(), int64),
        "map[int64][129]byte" => (int64, GoType::Array(129, GoType::Integer(1).into())),
        "map[string]int" => (GoType::String, int64),
        "map[string]*T" => (GoType::String, GoType::Pointer),
        other => panic!("{other}"),
    }
}

/// Compares a release's lines; returns what deviates, the worst deviation that chance does not
/// explain, in percent, and how many figures are exact and how many of them equal.
fn compare(release: &str) -> (Vec<String>, f64, [usize; 2]) {
    let minor = release.rsplitn(2, '.').last().unwrap();
    let minor = if minor == "1" { release } else { minor };
    let known = NamedRelease::named(minor).unwrap();
    let (mut faults, mut worst, mut exact) = (Vec::new(), 0.0_f64, [0; 2]);
    for real in measured(release) {
        let (key, elem) = key_and_elem(&real.type_name);
        let ours = predict(&known, &key, &elem, real.plan);
        let Prediction { retained_bytes, allocated_bytes, objects, mallocs, .. } = ours;
        let Deviation { retained_bytes: bytes_by, objects: objects_by, mallocs: mallocs_by } =
            ours.deviation;
        // A split frees a table and makes two.
        let figures = [
            ("retained", retained_bytes, real.retained, bytes_by, RUNTIME_BYTES),
            ("allocated", allocated_bytes, real.allocated, 2.0 * bytes_by, RUNTIME_BYTES),
            ("objects", objects, real.objects, objects_by, RUNTIME_OBJECTS),
            ("mallocs", mallocs, real.mallocs, mallocs_by, RUNTIME_OBJECTS),
        ];
        for (name, ours_is, real_is, deviation, runtime) in figures {
            let off = (ours_is as f64 - real_is).abs();
            // The measure is a mean over few maps: so much of the difference may be chance.
            let chance = 3.0 * deviation / real.maps.sqrt() + runtime / real.maps;
            let within = match ours.is_exact {
                true => runtime / real.maps,
                // Counts are rounded to whole objects.
                false => 0.01 * real_is + chance + 0.51,
            };
            if ours.is_exact {
                exact[0] += 1;
                exact[1] += usize::from(off < 0.06);
            } else {
                worst = worst.max(100.0 * (off - chance - 0.51).max(0.0) / real_is);
            }
            if off > within {
                faults.push(format!("{name} {ours_is} not {real_is} {ours:?}: {}", real.line));
            }
        }
    }
    (faults, worst, exact)
}

fn check(release: &str) {
    let (faults, worst, [exact, equal]) = compare(release);
    println!("go{release}: worst {worst:.2} %; {equal} of {exact} exact figures equal");
    assert!(faults.is_empty(), "{} figures deviate:\n{}", faults.len(), faults.join("\n"));
    assert!(exact > 80, "only {exact} figures are exact");
    assert!(100 * equal > 98 * exact, "only {equal} of {exact} exact figures are equal");
}

macro_rules! releases {
    ($($name:ident: $release:literal),* $(,)?) => {
        $(#[test]
        fn $name() {
            check($release);
        })*
    };
}

releases! {
    go_1_19_costs_what_was_measured: "1.19",
    go_1_21_costs_what_was_measured: "1.21.13",
    go_1_22_costs_what_was_measured: "1.22.10",
    go_1_23_costs_what_was_measured: "1.23.9",
    go_1_24_costs_what_was_measured: "1.24.11",
    go_1_25_costs_what_was_measured: "1.25.5",
    go_1_26_costs_what_was_measured: "1.26.6",
    go_1_27_costs_what_was_measured: "1.27.3",
}
