//! How long operations on running maps take, beside the maps of a real Go and `hashbrown`'s.
//!
//! `fixtures/mapspeed` and gomap's example `map_speed` do the same to the same keys, in turns; each
//! checks what it finds. The median of the rounds counts.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::bench::machine;
use crate::fixture::{self, Fixture, Symbols};
use crate::{paths, toolchain};

/// What to time, and how often.
#[derive(Debug, Args)]
pub struct BenchMapsOptions {
    /// The releases.
    #[arg(long, value_delimiter = ',', default_value = "1.23,1.27")]
    go: Vec<String>,
    /// Entries of a map.
    #[arg(long, value_delimiter = ',', default_value = "1000,100000,10000000")]
    entries: Vec<u64>,
    /// How often each program runs.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// Key type, entries, operation.
type Case = (String, u64, String);

/// Nanoseconds of each round, by the map.
type Timings = BTreeMap<Case, BTreeMap<String, Vec<f64>>>;

const OPERATIONS: [&str; 5] = ["insert", "hit", "miss", "iterate", "delete"];

/// Runs the benchmark and prints tables in Markdown.
///
/// # Errors
///
/// When a program cannot be built or run, or finds a wrong answer.
pub fn run(options: &BenchMapsOptions) -> Result<()> {
    ensure!(options.rounds > 0, "at least one round");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let example = ["build", "--release", "--package", "tophash-gomap", "--example", "map_speed"];
    toolchain::run(Command::new(cargo).current_dir(paths::workspace()).args(example))?;
    let model = paths::target().join("release/examples/map_speed");
    println!("{}", machine());
    for go in &options.go {
        let release = toolchain::ensure(go)?.release();
        let real = fixture::build(release.version, Fixture::MapSpeed, Symbols::Kept)?;
        let mut timings = Timings::new();
        for entries in &options.entries {
            for round in 0..options.rounds {
                eprintln!("Go {go}, {entries} entries, round {}", round + 1);
                let entries = entries.to_string();
                collect(&mut timings, Command::new(&real).arg(&entries))?;
                let version = format!("go{}", release.version);
                collect(&mut timings, Command::new(&model).args([&version, &entries]))?;
            }
        }
        print_table(go, timings);
    }
    Ok(())
}

/// Runs a program and takes its lines.
fn collect(timings: &mut Timings, command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} ended with {}: {errors}", output.status);
    for line in String::from_utf8(output.stdout)?.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let (key, entries, map, operation, nanos) = match fields[..] {
            ["SPEED", key, entries, operation, nanos] => (key, entries, "Go", operation, nanos),
            ["SPEED", key, entries, map, operation, nanos] => (key, entries, map, operation, nanos),
            _ => continue,
        };
        let case = (key.to_owned(), entries.parse()?, operation.to_owned());
        let of_map = timings.entry(case).or_default().entry(map.to_owned()).or_default();
        of_map.push(nanos.parse()?);
    }
    Ok(())
}

fn print_table(go: &str, timings: Timings) {
    println!("\nNanoseconds for an operation; ratios to Go {go}.\n");
    println!("| key | entries | operation | Go {go} | running | typed | hashbrown |");
    println!("| --- | ---: | --- | ---: | ---: | ---: | ---: |");
    let mut cases: Vec<_> = timings.into_iter().collect();
    let place = |name: &str| OPERATIONS.iter().position(|operation| *operation == name);
    cases.sort_by_key(|((key, entries, operation), _)| (key.clone(), *entries, place(operation)));
    for ((key, entries, operation), mut maps) in cases {
        let mut median = |map: &str| {
            let rounds = maps.get_mut(map)?;
            rounds.sort_by(f64::total_cmp);
            rounds.get(rounds.len() / 2).copied()
        };
        let Some(real) = median("Go") else { continue };
        let mut cell = |map| match median(map) {
            Some(nanos) => format!("{nanos:.1} ({:.1})", nanos / real),
            None => "-".to_owned(),
        };
        let cells = ["running", "typed", "hashbrown"].map(&mut cell);
        println!("| `{key}` | {entries} | {operation} | {real:.1} | {} |", cells.join(" | "));
    }
}
