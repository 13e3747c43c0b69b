//! How long tophash takes on cores of a program that leaks, beside viewcore and goref on the same
//! cores.
//!
//! The program is `fixtures/bench` of Go 1.23, the last release on which all of viewcore works, with
//! its symbols, which viewcore needs. The cores are gdb's where there is a `gcore`, else those of
//! [`write_core`](crate::core::write_core). Before anything is timed, each command runs once, so
//! that the core is in memory, and its answer is checked. Then the commands take turns.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;

use crate::fixture::{self, Fixture, Symbols};
use crate::measure::{Usage, measure};
use crate::running::Running;
use crate::{core, paths, toolchain};

/// The release whose cores are read.
const GO: &str = "1.23";

/// What to time, and how often.
#[derive(Debug, Args)]
pub struct BenchOptions {
    /// The viewcore program; without it only tophash is timed.
    #[arg(long)]
    viewcore: Option<PathBuf>,
    /// The goref program (`grf`).
    #[arg(long)]
    goref: Option<PathBuf>,
    /// The tophash program; built from this tree if not given.
    #[arg(long)]
    tophash: Option<PathBuf>,
    /// Entries of all maps of the program.
    #[arg(long, value_delimiter = ',', default_value = "100000,1000000,5000000")]
    entries: Vec<u64>,
    /// How often each command runs.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Keep the cores, below `target/bench`.
    #[arg(long)]
    keep: bool,
}

/// What the program printed about itself.
struct Facts {
    /// Type and entries.
    maps: Vec<(String, u64)>,
    /// An object that only one of the maps holds.
    object: u64,
}

/// Tells whether what a command printed is right.
type Check = dyn Fn(&str, &Facts) -> Result<()>;

/// A command to time.
struct Contender {
    name: &'static str,
    command: Vec<OsString>,
    check: Box<Check>,
    usages: Vec<Usage>,
}

/// Runs the benchmark and prints a table in Markdown.
///
/// # Errors
///
/// When a program cannot be built or run, or gives a wrong answer.
pub fn run(options: &BenchOptions) -> Result<()> {
    ensure!(options.rounds > 0, "at least one round");
    let tophash = match &options.tophash {
        Some(path) => fs::canonicalize(path)?,
        None => build_tophash()?,
    };
    let viewcore = match &options.viewcore {
        Some(path) => Some(fs::canonicalize(path).context("where is viewcore?")?),
        None => None,
    };
    let goref = match &options.goref {
        Some(path) => Some(fs::canonicalize(path).context("where is goref?")?),
        None => None,
    };
    let program = fixture::build(GO, Fixture::Bench, Symbols::Kept)?;
    let dir = paths::target().join("bench");
    fs::create_dir_all(&dir)?;
    println!("{}\n", machine());
    println!(
        "| entries | command | wall s | CPU s | peak MB | wall to `inspect` | peak to `inspect` |"
    );
    println!("| ---: | --- | ---: | ---: | ---: | ---: | ---: |");
    for entries in &options.entries {
        let core = dir.join(format!("{entries}.core"));
        let (facts, writer) = take_core(&program, *entries, &core)?;
        let size = fs::metadata(&core)?.len() >> 20;
        eprintln!("{entries} entries: {writer} wrote a core of {size} MiB");
        let mut contenders =
            contenders(&tophash, [viewcore.as_deref(), goref.as_deref()], &program, &core, &facts);
        let timed = time(&mut contenders, &facts, options.rounds);
        if !options.keep {
            fs::remove_file(&core)?;
        }
        timed?;
        print!("{}", rows(*entries, &contenders));
    }
    Ok(())
}

pub(crate) fn build_tophash() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    toolchain::run(Command::new(cargo).current_dir(paths::workspace()).args([
        "build",
        "--release",
        "--package",
        "tophash",
    ]))?;
    Ok(paths::target().join("release/tophash"))
}

/// Starts the program with so many entries, writes its core, and ends it.
fn take_core(program: &Path, entries: u64, to: &Path) -> Result<(Facts, &'static str)> {
    let running = Running::start_command(Command::new(program).arg(entries.to_string()))?;
    let facts = facts(running.lines())?;
    let gcore = Command::new("gcore")
        .arg("-o")
        .arg(to)
        .arg(running.pid().to_string())
        .stdin(Stdio::null())
        .output();
    // It puts the number of the process behind the name.
    let mut written = to.as_os_str().to_owned();
    written.push(format!(".{}", running.pid()));
    if gcore.is_ok_and(|gcore| gcore.status.success()) && Path::new(&written).exists() {
        fs::rename(&written, to)?;
        return Ok((facts, "gcore"));
    }
    core::write_core(running.pid(), to)?;
    Ok((facts, "xtask"))
}

fn facts(lines: &[String]) -> Result<Facts> {
    let mut facts = Facts { maps: Vec::new(), object: 0 };
    for line in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields.as_slice() {
            ["MAP", name, entries, _] => facts.maps.push(((*name).to_owned(), entries.parse()?)),
            ["OBJECT", address] => {
                facts.object = u64::from_str_radix(address.trim_start_matches("0x"), 16)?;
            }
            _ => bail!("the program printed {line}"),
        }
    }
    ensure!(facts.object != 0, "the program printed no object");
    Ok(facts)
}

fn contenders(
    tophash: &Path,
    [viewcore, goref]: [Option<&Path>; 2],
    program: &Path,
    core: &Path,
    facts: &Facts,
) -> Vec<Contender> {
    let words = |words: &[&dyn AsRef<std::ffi::OsStr>]| {
        words.iter().map(|word| word.as_ref().to_owned()).collect::<Vec<_>>()
    };
    let mut all = vec![Contender {
        name: "`tophash inspect`",
        command: words(&[&tophash, &"inspect", &core, &"--exe", &program, &"--format", &"json"]),
        check: Box::new(check_tophash),
        usages: Vec::new(),
    }];
    let mut shallow = all[0].command.clone();
    shallow.push("--no-retained".into());
    all.push(Contender {
        name: "`tophash inspect --no-retained`",
        command: shallow,
        check: Box::new(check_tophash),
        usages: Vec::new(),
    });
    if let Some(viewcore) = viewcore {
        let object = format!("{:x}", facts.object);
        all.push(Contender {
            name: "`viewcore histogram`",
            command: words(&[&viewcore, &core, &"--exe", &program, &"histogram"]),
            check: Box::new(check_histogram),
            usages: Vec::new(),
        });
        all.push(Contender {
            name: "`viewcore reachable`",
            command: words(&[&viewcore, &core, &"--exe", &program, &"reachable", &object]),
            check: Box::new(check_reachable),
            usages: Vec::new(),
        });
    }
    if let Some(goref) = goref {
        let profile = core.with_extension("grf");
        all.push(Contender {
            name: "`grf core`",
            command: words(&[&goref, &"core", &program, &core, &"--out", &profile]),
            check: Box::new(move |_, _| {
                let size = fs::metadata(&profile).map_or(0, |profile| profile.len());
                ensure!(size > 0, "goref wrote no profile to {}", profile.display());
                Ok(())
            }),
            usages: Vec::new(),
        });
    }
    all
}

/// Every map of the program must be there, with its type and all its entries.
fn check_tophash(printed: &str, facts: &Facts) -> Result<()> {
    let report: Value = serde_json::from_str(printed).context("tophash printed no JSON")?;
    let maps = report["maps"].as_array().context("tophash printed no maps")?;
    for (name, entries) in &facts.maps {
        let is_there =
            maps.iter().any(|map| map["type"] == name.as_str() && map["entries"] == *entries);
        ensure!(is_there, "tophash did not find the {name} of {entries} entries");
    }
    Ok(())
}

fn check_histogram(printed: &str, _: &Facts) -> Result<()> {
    ensure!(printed.contains("main.session"), "viewcore's histogram lacks a type:\n{printed}");
    Ok(())
}

fn check_reachable(printed: &str, facts: &Facts) -> Result<()> {
    let object = format!("{:x}", facts.object);
    ensure!(
        printed.contains("main.sessions") && printed.contains(&object),
        "viewcore found another way to {object}:\n{printed}"
    );
    Ok(())
}

fn time(contenders: &mut [Contender], facts: &Facts, rounds: usize) -> Result<()> {
    let work = tempfile::tempdir()?;
    for round in 0..=rounds {
        for contender in &mut *contenders {
            let (usage, printed) = measure(&contender.command, work.path())?;
            ensure!(usage.is_success, "{} failed", contender.name);
            if round == 0 {
                (contender.check)(&printed, facts)?;
            } else {
                contender.usages.push(usage);
            }
        }
    }
    Ok(())
}

fn rows(entries: u64, contenders: &[Contender]) -> String {
    let figures: Vec<[f64; 3]> = contenders
        .iter()
        .map(|contender| {
            [
                median(contender.usages.iter().map(|usage| usage.wall_seconds)),
                median(contender.usages.iter().map(|usage| usage.cpu_seconds)),
                median(contender.usages.iter().map(|usage| usage.peak_kib as f64 * 1024e-6)),
            ]
        })
        .collect();
    let mut rows = String::new();
    for (contender, [wall, cpu, peak]) in contenders.iter().zip(&figures) {
        let own = figures.first().unwrap_or(&[f64::NAN; 3]);
        // Writing to a string does not fail.
        let _ = writeln!(
            rows,
            "| {entries} | {} | {wall:.2} | {cpu:.2} | {peak:.0} | {:.1} | {:.1} |",
            contender.name,
            wall / own[0],
            peak / own[2],
        );
    }
    rows
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Says what this machine is, as far as it matters for the figures.
pub(crate) fn machine() -> String {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim());
        value.unwrap_or("?").to_owned()
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{}, {} cores, {} of memory, Linux {}",
        field("/proc/cpuinfo", "model name"),
        std::thread::available_parallelism().map_or(0, usize::from),
        field("/proc/meminfo", "MemTotal"),
        kernel.trim(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_program_prints_is_read_and_other_lines_are_refused() {
        let lines = ["MAP\tmap[int64]int64\t12\t704", "OBJECT\t0xc000010000"].map(str::to_owned);
        let read = facts(&lines).unwrap();
        assert_eq!(read.maps, [("map[int64]int64".to_owned(), 12)]);
        assert_eq!(read.object, 0xc0_0001_0000);
        assert!(facts(&["surprise".to_owned()]).is_err());
        assert!(facts(&[]).is_err(), "an object is needed");
    }

    #[test]
    fn the_median_of_three_is_the_one_between() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert!(median(std::iter::empty()).is_nan());
    }

    #[test]
    fn ratios_are_to_the_first_row() {
        let usage = |wall_seconds, peak_kib| Usage {
            wall_seconds,
            cpu_seconds: 1.0,
            peak_kib,
            is_success: true,
        };
        let contender = |name, usage| Contender {
            name,
            command: Vec::new(),
            check: Box::new(check_tophash),
            usages: vec![usage],
        };
        let both = [contender("one", usage(2.0, 1_000)), contender("two", usage(1.0, 4_000))];
        let rows = rows(100, &both);
        assert!(rows.contains("| 100 | one | 2.00 | 1.00 | 1 | 1.0 | 1.0 |"), "{rows}");
        assert!(rows.contains("| 100 | two | 1.00 | 1.00 | 4 | 0.5 | 4.0 |"), "{rows}");
    }
}
