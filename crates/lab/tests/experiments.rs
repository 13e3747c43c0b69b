//! Experiments are complete: whatever they measure is compared with something, and what the model
//! says bears the verdicts out.

use std::collections::BTreeSet;

use tophash_lab::{
    Agreement, Experiment, GoRelease, HARNESS, Model, all_experiments, check_claims, check_ranges,
};

/// Every piece of folklore, by name. One that is no longer told here is missed.
const ROWS: &[&str] = &[
    "absent-read",
    "adder-moves-x",
    "alghash",
    "alloc-space-live",
    "always-tombstone",
    "arena-in-go",
    "arena-reset",
    "barrier-on-pointer",
    "barrier-on-read",
    "box-array",
    "boxed-lingers",
    "bucket-aligned-16",
    "bucket-of-eight",
    "by-value-escapes",
    "chains-miss",
    "chains-of-five",
    "chains-slow",
    "churn-keeps-size",
    "class-of-16",
    "classes-67",
    "closure-holds",
    "copy-helps",
    "count-first",
    "count-is-atomic",
    "delete-allocates",
    "delete-frees-n",
    "delete-frees-overflow",
    "delete-in-range",
    "delete-keeps",
    "empty-one",
    "entry-24",
    "fast-assembly",
    "first-write-escapes",
    "free-bucket",
    "free-lists",
    "free-os-memory",
    "gc-1",
    "gctrace-roots",
    "gctrace-scvg",
    "goroutine-forces",
    "growth-128k",
    "growth-320",
    "growth-6657",
    "header-56",
    "heapsys-demand",
    "inline-128",
    "inline-any",
    "insert-27",
    "ints-1.2mb",
    "iterator-blocks",
    "iterator-pins",
    "iterator-pins-old",
    "iterator-weak",
    "key-pointers",
    "key-zeroed",
    "large-elems-escape",
    "large-values",
    "leaving-escapes",
    "load-6.5",
    "load-formula",
    "low-b-bits",
    "low-five-bits",
    "made-for-four",
    "make-allocates",
    "make-escapes",
    "map-aware-marking",
    "map-range-method",
    "memstats-rss",
    "next-gc-1.8",
    "next-gc-gogc",
    "no-reuse",
    "noverflow-exact",
    "old-half",
    "old-overflow-leaks",
    "one-bucket-a-write",
    "overflow-lists",
    "overflow-rebuild",
    "pause-linear",
    "phase-delete",
    "phase-insert",
    "phase-make",
    "pointer-kinds",
    "pointer-range",
    "pointers-escape",
    "pool-faster",
    "print-copies",
    "print-escapes",
    "profile-makemap",
    "profile-rate",
    "range-delete-keeps",
    "range-delete-unlinks",
    "rebuild-after",
    "rebuild-before",
    "reclaimed-early",
    "root-dump",
    "run-cpuprofile",
    "seven-eighths",
    "small-inline",
    "small-values",
    "stored-new-escapes",
    "sync-map-atomic-value",
    "sync-map-faster",
    "sync-map-keeps",
    "sync-map-no-escape",
    "thrown-make",
    "tops-delay-marking",
    "trace-allocations",
    "variable-is-root",
    "vet-syntax",
    "window-is-snapshot",
];

#[test]
fn every_piece_of_folklore_is_told_once() {
    let mut rows: Vec<_> =
        all_experiments().iter().flat_map(|one| one.claims).map(|claim| claim.row).collect();
    rows.sort_unstable();
    assert_eq!(rows, ROWS);
    assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len());
}

#[test]
fn names_are_unique_and_can_be_typed() {
    let mut seen = BTreeSet::new();
    for experiment in all_experiments() {
        let name = experiment.name;
        assert!(seen.insert(name), "{name} is there twice");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{name}");
        assert_eq!(Experiment::named(name).unwrap().name, name);
    }
}

#[test]
fn every_quantity_is_compared_with_something() {
    for experiment in all_experiments() {
        for quantity in experiment.quantities {
            let is_bounded = experiment
                .claims
                .iter()
                .flat_map(|claim| claim.bounds)
                .any(|bound| bound.quantity == quantity.name);
            let is_modelled = matches!(experiment.model, Model::Runs(_))
                && matches!(quantity.agreement, Agreement::Exact | Agreement::Within(..));
            // What only the model has illustrates.
            let is_shown = quantity.agreement == Agreement::ModelOnly;
            assert!(
                is_bounded || is_modelled || is_shown || !quantity.expected.is_empty(),
                "{}: {} is compared with nothing",
                experiment.name,
                quantity.name
            );
        }
    }
}

#[test]
fn every_bound_is_of_a_quantity_and_every_claim_says_why() {
    for experiment in all_experiments() {
        assert!(!experiment.question.is_empty() && !experiment.method.is_empty());
        for claim in experiment.claims {
            let row = claim.row;
            assert!(!claim.says.is_empty() && !claim.because.is_empty(), "{row}");
            assert!(!claim.bounds.is_empty(), "{row} can't be tested");
            for bound in claim.bounds {
                let quantity = experiment.quantity(bound.quantity);
                assert!(quantity.is_some(), "{row}: {} is not measured", bound.quantity);
            }
        }
    }
}

#[test]
fn programs_register_themselves_and_name_every_quantity() {
    assert!(HARNESS.contains("func register("));
    for experiment in all_experiments() {
        let registers = format!("register(\"{}\",", experiment.name);
        assert!(experiment.program.contains(&registers), "{} does not register", experiment.name);
    }
}

#[test]
fn the_model_measures_all_that_is_not_real_alone_and_bears_the_verdicts_out() {
    let releases = GoRelease::all().unwrap();
    assert!(releases.len() >= 8);
    let mut faults = Vec::new();
    for experiment in all_experiments() {
        for release in &releases {
            let Some(measured) = experiment.run_model(release).unwrap() else { continue };
            let about = format!("{} for Go 1.{}", experiment.name, release.minor());
            for quantity in experiment.quantities {
                let is_there = measured.iter().any(|figure| figure.quantity == quantity.name);
                let should =
                    quantity.on.contains(release) && quantity.agreement != Agreement::RealOnly;
                if is_there != should {
                    faults.push(format!("{about}: {} is there: {is_there}", quantity.name));
                }
            }
            let disagreements = check_claims(experiment, release, &measured)
                .into_iter()
                .chain(check_ranges(experiment, release, &measured));
            faults.extend(disagreements.map(|disagreement| format!("{about}: {disagreement}")));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
