//! How long tophash takes on heap profiles, beside `go tool pprof` of Go 1.27 on the same files.
//!
//! The profiles are made by `fixtures/profiles`: stacks of some thirty calls along random walks in one
//! call graph, with a function for every four samples. pprof's program is run without `go tool`
//! around it. Before anything is timed, each command runs once, so that files and programs are in
//! memory; then the answers are compared, and the commands take turns. `gzip -t` inflates the same
//! files and does nothing else: no reader of them can be much faster.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use clap::Args;

use crate::bench::{build_tophash, machine, median};
use crate::fixture::{self, Fixture, Symbols};
use crate::measure::{Usage, measure};
use crate::{paths, toolchain};

const GO: &str = "1.27";

/// What to time, and how often.
#[derive(Debug, Args)]
pub struct ProfileBenchOptions {
    /// The tophash program; built from this tree if not given.
    #[arg(long)]
    tophash: Option<PathBuf>,
    /// Samples of a profile.
    #[arg(long, value_delimiter = ',', default_value = "20000,200000,2000000")]
    samples: Vec<usize>,
    /// How often each command runs.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only these tasks: top, diff (its table), join (the difference as a profile).
    #[arg(long, value_delimiter = ',', default_value = "top,diff,join")]
    tasks: Vec<String>,
}

/// A command to time, and what it took each time.
struct Contender {
    name: &'static str,
    command: Vec<OsString>,
    usages: Vec<Usage>,
}

/// Runs the benchmark and prints a table in Markdown.
///
/// # Errors
///
/// When a program cannot be built or run, or the answers differ.
pub fn run(options: &ProfileBenchOptions) -> Result<()> {
    ensure!(options.rounds > 0, "at least one round");
    let pprof = toolchain::pprof(&toolchain::ensure(GO)?)?;
    let tophash = match &options.tophash {
        Some(path) => fs::canonicalize(path)?,
        None => build_tophash()?,
    };
    let maker = fixture::build(GO, Fixture::Profiles, Symbols::Kept)?;
    let dir = paths::target().join("bench-profiles");
    fs::create_dir_all(&dir)?;
    println!("{}\n", machine());
    println!(
        "| samples | MB gz | command | wall s | CPU s | peak MB | CPU to tophash | peak to it |"
    );
    println!("| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |");
    for &samples in &options.samples {
        let [before, after] = [1, 2].map(|seed| dir.join(format!("{samples}-{seed}.pb.gz")));
        for (seed, file) in [(1, &before), (2, &after)] {
            let mut command = Command::new(&maker);
            command.arg("made").arg(samples.to_string()).arg(file).arg(seed.to_string());
            toolchain::run(&mut command)?;
        }
        let size = fs::metadata(&before)?.len() as f64 / 1e6;
        for task in &options.tasks {
            let mut all = contenders(task, [&tophash, &pprof], &before, &after, &dir);
            time(&mut all, task, options.rounds, &dir)?;
            for row in rows(&all) {
                println!("| {samples} | {size:.1} | {row} |");
            }
        }
    }
    Ok(())
}

fn contenders(
    task: &str,
    [tophash, pprof]: [&Path; 2],
    before: &Path,
    after: &Path,
    dir: &Path,
) -> Vec<Contender> {
    let mut own: Vec<OsString> = vec![tophash.into(), "profile".into()];
    let mut pprof: Vec<OsString> = vec![pprof.into()];
    let mut inflate: Vec<OsString> = ["gzip", "-t"].map(OsString::from).into();
    inflate.push(before.into());
    if task != "top" {
        inflate.push(after.into());
    }
    let names = match task {
        "top" => {
            own.extend([before.into(), "--top".into(), "30".into()]);
            pprof.extend(["-top".into(), "-nodecount=30".into(), before.into()]);
            ["`tophash profile --top 30`", "`pprof -top -nodecount=30`"]
        }
        "diff" => {
            own.extend(["--top".into(), "30".into(), "--base".into()]);
            own.extend([before.into(), after.into()]);
            pprof.extend(["-top".into(), "-nodecount=30".into(), "-base".into()]);
            pprof.extend([before.into(), after.into()]);
            ["`tophash profile --base --top 30`", "`pprof -base -top -nodecount=30`"]
        }
        _ => {
            let [ours, theirs] = ["ours", "theirs"].map(|name| dir.join(format!("{name}.pb.gz")));
            own.extend([
                after.into(),
                "--base".into(),
                before.into(),
                "--proto".into(),
                ours.into(),
            ]);
            let mut output = OsString::from("-output=");
            output.push(theirs);
            let mut base = OsString::from("-base=");
            base.push(before);
            pprof.extend(["-proto".into(), output, base, after.into()]);
            ["`tophash profile --base --proto`", "`pprof -base -proto`"]
        }
    };
    [(names[0], own), (names[1], pprof), ("`gzip -t`", inflate)]
        .into_iter()
        .map(|(name, command)| Contender { name, command, usages: Vec::new() })
        .collect()
}

fn time(all: &mut [Contender], task: &str, rounds: usize, dir: &Path) -> Result<()> {
    let mut tables = Vec::new();
    for round in 0..=rounds {
        for contender in &mut *all {
            let (usage, printed) = measure(&contender.command, dir)?;
            ensure!(usage.is_success, "{} failed", contender.name);
            match round {
                0 => tables.push(table(&printed)),
                _ => contender.usages.push(usage),
            }
        }
        if round == 0 && task != "join" {
            ensure!(tables[0] == tables[1], "the tables differ");
            ensure!(tables[0].len() > 10, "the tables have no rows");
        }
    }
    Ok(())
}

/// The rows of a table of functions, without what is said above it.
fn table(printed: &str) -> Vec<String> {
    let lines = printed.lines().map(|line| line.trim_end().to_owned());
    lines.skip_while(|line| !line.contains("flat%")).skip(1).collect()
}

fn rows(all: &[Contender]) -> Vec<String> {
    let figures: Vec<[f64; 3]> = all
        .iter()
        .map(|contender| {
            let of = |part: fn(&Usage) -> f64| median(contender.usages.iter().map(part));
            [
                of(|usage| usage.wall_seconds),
                of(|usage| usage.cpu_seconds),
                of(|usage| usage.peak_kib as f64 * 1024e-6),
            ]
        })
        .collect();
    let own = figures.first().copied().unwrap_or([f64::NAN; 3]);
    all.iter()
        .zip(&figures)
        .map(|(contender, [wall, cpu, peak])| {
            format!(
                "{} | {wall:.3} | {cpu:.3} | {peak:.0} | {:.1} | {:.1}",
                contender.name,
                cpu / own[1],
                peak / own[2]
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_are_compared() {
        let printed = "Type: x\n      flat  flat%   sum%\n  1 2 a \n  3 4 b\n";
        assert_eq!(table(printed), ["  1 2 a", "  3 4 b"]);
    }
}
