//! safemap beside other concurrent maps on the same mixes: dashmap, papaya, scc, moka and a locked
//! `HashMap` in one process, real Go's in others.
//!
//! Each process answers requests, a line each, and rests between them. So all maps take turns within
//! a round, whatever process they are in, and a neighbour's load falls on all alike. Another map begins
//! in each round. The best of the rounds counts: others' load only ever adds to a time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::bench::machine;
use crate::fixture::{self, Fixture, Symbols};
use crate::{paths, toolchain};

/// What to time, and how often.
#[derive(Debug, Args)]
pub struct SafeMapBenchOptions {
    /// Releases of Go.
    #[arg(long, value_delimiter = ',', default_value = "1.23,1.27")]
    go: Vec<String>,
    /// Keys of a map.
    #[arg(long, value_delimiter = ',', default_value = "1000,1000000")]
    keys: Vec<usize>,
    /// Only mixes whose name holds this.
    #[arg(long, default_value = "")]
    mix: String,
    /// How often each case is timed.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Operations of a case in a round.
    #[arg(long, default_value_t = 100_000)]
    operations: usize,
    /// All sizes from a thousand to a million keys, and three times the rounds.
    #[arg(long)]
    whole: bool,
}

/// Maps of so many keys are filled anew for each mix, and not for each case of it.
const LARGE: usize = 100_000;

const MIXES: [&str; 4] = ["read-heavy", "update-heavy", "churn", "insert-only"];

/// The share of the fastest that is aimed at, and what a schema and metrics may cost.
const GOAL: f64 = 0.95;
const MOST_COST: f64 = 1.15;

/// A process that answers.
struct Contender {
    /// What its maps are told apart by.
    prefix: String,
    maps: Vec<String>,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Contender {
    fn start(prefix: &str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let input = child.stdin.take().context("no standard input")?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        let (prefix, maps) = (prefix.to_owned(), Vec::new());
        let mut contender = Self { prefix, maps, child, input, output };
        let maps = contender.ask("maps")?;
        contender.maps = maps.split(' ').map(str::to_owned).collect();
        Ok(contender)
    }

    fn ask(&mut self, line: &str) -> Result<String> {
        writeln!(self.input, "{line}")?;
        self.input.flush()?;
        let mut answer = String::new();
        self.output.read_line(&mut answer)?;
        ensure!(answer.ends_with('\n'), "{} ended when it was asked to {line}", self.prefix);
        Ok(answer.trim_end().to_owned())
    }

    fn named(&self, map: &str) -> String {
        if self.prefix.is_empty() { map.to_owned() } else { format!("{} {map}", self.prefix) }
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is known of a map in a case.
#[derive(Debug, Clone, Copy)]
struct Figures {
    /// Nanoseconds an operation.
    best: f64,
    /// Nanoseconds that half, 99 % and 99.9 % of the operations take at most.
    percentiles: [f64; 3],
}

/// A case and its maps.
struct Row {
    case: String,
    maps: BTreeMap<String, Figures>,
}

impl Row {
    fn best(&self, map: &str) -> f64 {
        self.maps.get(map).map_or(f64::NAN, |figures| figures.best)
    }

    /// The least time of the maps that are chosen.
    fn fastest(&self, is_chosen: impl Fn(&str) -> bool) -> f64 {
        let times = self.maps.iter().filter(|(map, _)| is_chosen(map));
        times.map(|(_, figures)| figures.best).fold(f64::INFINITY, f64::min)
    }
}

fn is_own(map: &str) -> bool {
    ["raw", "handles", "full"].contains(&map)
}

fn is_go(map: &str) -> bool {
    map.starts_with("Go ")
}

/// Runs the benchmark and prints tables in Markdown.
///
/// # Errors
///
/// When a program cannot be built or run, or ends early.
pub fn run(options: &SafeMapBenchOptions) -> Result<()> {
    ensure!(options.rounds > 0 && options.operations > 0, "at least one round of one operation");
    let keys =
        if options.whole { vec![1000, 10_000, 100_000, 1_000_000] } else { options.keys.clone() };
    let rounds = if options.whole { 3 * options.rounds } else { options.rounds };
    let rust = build_bench()?;
    let mut programs = Vec::new();
    for go in &options.go {
        let release = toolchain::ensure(go)?.release();
        let program = fixture::build(release.version, Fixture::MapMix, Symbols::Kept)?;
        programs.push((format!("Go {go}"), program));
    }
    println!("{}; best of {rounds} rounds of {} operations\n", machine(), options.operations);
    let (mut rows, mut memory) = (Vec::new(), String::new());
    let mut clock = String::new();
    for keys in keys {
        // Memory that is given back to the system and fetched again would be timed with some.
        let mut command = Command::new(&rust);
        command.env("MALLOC_TRIM_THRESHOLD_", "1000000000000").env("MALLOC_MMAP_MAX_", "0");
        let mut contenders = vec![Contender::start("", command.arg(keys.to_string()))?];
        for (name, program) in &programs {
            let mut command = Command::new(program);
            contenders.push(Contender::start(name, command.arg(keys.to_string()))?);
        }
        clock.clear();
        for contender in &mut contenders {
            let name = if contender.prefix.is_empty() { "Rust" } else { &contender.prefix };
            let _ = write!(clock, "{name}: ");
            let figures = contender.ask("clock")?;
            let _ = write!(clock, "{}; ", figures.replace(' ', " / "));
        }
        for mix in MIXES.into_iter().filter(|mix| mix.contains(&options.mix)) {
            for shape in ["uniform", "zipf"] {
                for threads in [1, 2] {
                    if mix == "insert-only" && shape == "zipf" {
                        continue;
                    }
                    let case = format!("{mix} {shape} {threads} {}", options.operations);
                    eprintln!("{keys} keys, {case}");
                    // A few removals leave a large map as it was.
                    let is_first = shape == "uniform" && threads == 1;
                    if mix != "insert-only" && (is_first || keys < LARGE) {
                        fill(&mut contenders)?;
                    }
                    let maps = time(&mut contenders, &case, rounds)?;
                    let case = match mix {
                        "insert-only" => format!("{mix}, {keys}, {threads}"),
                        _ => format!("{mix}, {keys} {shape}, {threads}"),
                    };
                    rows.push(Row { case, maps });
                }
            }
        }
        for contender in &mut contenders {
            for map in contender.maps.clone() {
                contender.ask(&format!("drop {map}"))?;
                let bytes = contender.ask(&format!("memory {map}"))?.replace(' ', " | ");
                let _ = writeln!(memory, "| {keys} | {} | {bytes} |", contender.named(&map));
            }
        }
    }
    print_tables(&rows);
    println!("\nNanoseconds between two readings of the clock, half / 99 % / 99.9 %: {clock}\n");
    println!("| keys | map | bytes an entry | bytes of each left without 99 % |");
    println!("| ---: | --- | ---: | ---: |\n{memory}");
    Ok(())
}

/// Builds the Rust side, and tells where it is.
fn build_bench() -> Result<std::path::PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(paths::workspace())
        .args(["bench", "--package", "tophash-safemap", "--bench", "safemap", "--no-run"])
        .args(["--message-format", "json"])
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the benchmark does not build");
    let lines = String::from_utf8_lossy(&output.stdout);
    let messages = lines.lines().filter_map(|line| serde_json::from_str(line).ok());
    let is_ours = |message: &serde_json::Value| message["target"]["name"] == "safemap";
    let executables = messages.filter(is_ours);
    let path = executables.filter_map(|message| message["executable"].as_str().map(Into::into));
    path.collect::<Vec<_>>().pop().context("cargo names no benchmark")
}

/// Gives every map all keys.
fn fill(contenders: &mut [Contender]) -> Result<()> {
    for contender in contenders {
        for map in contender.maps.clone() {
            contender.ask(&format!("fill {map}"))?;
        }
    }
    Ok(())
}

/// All maps on one case, in turns.
fn time(
    contenders: &mut [Contender],
    case: &str,
    rounds: usize,
) -> Result<BTreeMap<String, Figures>> {
    let mut figures = BTreeMap::new();
    for contender in contenders.iter() {
        for map in &contender.maps {
            let none = Figures { best: f64::INFINITY, percentiles: [f64::INFINITY; 3] };
            figures.insert(contender.named(map), none);
        }
    }
    for round in 0..rounds {
        for contender in contenders.iter_mut() {
            let mut maps = contender.maps.clone();
            // Whoever comes first fetches the text of the keys into the caches for all others.
            let first = round % maps.len();
            maps.rotate_left(first);
            for map in maps {
                let name = contender.named(&map);
                let figures = figures.get_mut(&name).context("it was filled")?;
                let taken: f64 = contender.ask(&format!("rate {map} {case}"))?.parse()?;
                figures.best = figures.best.min(taken);
                if round % 3 == 0 {
                    let told = contender.ask(&format!("latency {map} {case}"))?;
                    for (best, told) in figures.percentiles.iter_mut().zip(told.split(' ')) {
                        *best = best.min(told.parse()?);
                    }
                }
            }
        }
    }
    Ok(figures)
}

fn print_tables(rows: &[Row]) {
    let Some(first) = rows.first() else { return };
    let own: Vec<&String> = first.maps.keys().filter(|map| is_own(map)).collect();
    let peers: Vec<&String> = first.maps.keys().filter(|map| !is_own(map) && !is_go(map)).collect();
    let go: Vec<&String> = first.maps.keys().filter(|map| is_go(map)).collect();
    let names = |maps: &[&String]| maps.iter().map(|map| format!(" {map} |")).collect::<String>();
    let rates = |row: &Row, maps: &[&String]| {
        let rate = |map: &&String| format!(" {:.1} |", 1000.0 / row.best(map));
        maps.iter().map(rate).collect::<String>()
    };
    let lines = |count: usize| " ---: |".repeat(count);
    println!("Million operations a second.\n");
    println!(
        "| mix, keys, threads |{}{} raw to fastest | handles to fastest | full to raw |",
        names(&own),
        names(&peers)
    );
    println!("| --- |{}", lines(own.len() + peers.len() + 3));
    let (mut reached, mut handles_reached, mut cheap) = (0, 0, 0);
    for row in rows {
        let fastest = row.fastest(|map| !is_own(map) && !is_go(map));
        let (raw, handles) = (fastest / row.best("raw"), fastest / row.best("handles"));
        let cost = row.best("full") / row.best("raw");
        reached += usize::from(raw >= GOAL);
        handles_reached += usize::from(handles >= GOAL);
        cheap += usize::from(cost < MOST_COST);
        let figures = format!("{}{}", rates(row, &own), rates(row, &peers));
        let mark = |is_lost: bool| if is_lost { "**" } else { "" };
        let (raw_mark, handles_mark) = (mark(raw < GOAL), mark(handles < GOAL));
        println!(
            "| {} |{figures} {raw_mark}{raw:.2}{raw_mark} | {handles_mark}{handles:.2}{handles_mark} | {:.2} |",
            row.case,
            1.0 / cost,
        );
    }
    let all = rows.len();
    println!("\nRaw at {GOAL} of the fastest or better: {reached} of {all}; by handles: ");
    println!(
        "{handles_reached} of {all}; schema, breaker and metrics under 15 %: {cheap} of {all}."
    );
    if !go.is_empty() {
        println!(
            "\n| mix, keys, threads | raw | full |{} raw to fastest | full to fastest |",
            names(&go)
        );
        println!("| --- |{}", lines(go.len() + 4));
        let (mut ahead, mut full_ahead, mut of_copies, mut full_of_copies) = (0, 0, 0, 0);
        for row in rows {
            let copies = row.fastest(|map| is_go(map) && !map.ends_with("same-strings"));
            of_copies += usize::from(copies > row.best("raw"));
            full_of_copies += usize::from(copies > row.best("full"));
            let fastest = row.fastest(is_go);
            let (raw, full) = (fastest / row.best("raw"), fastest / row.best("full"));
            ahead += usize::from(raw > 1.0);
            full_ahead += usize::from(full > 1.0);
            let own =
                format!(" {:.1} | {:.1} |", 1000.0 / row.best("raw"), 1000.0 / row.best("full"));
            println!("| {} |{own}{} {raw:.2} | {full:.2} |", row.case, rates(row, &go));
        }
        println!(
            "\nAhead of all of Go's: raw in {ahead} of {all}, full in {full_ahead}; of those that hold"
        );
        println!("copies of their keys, raw in {of_copies}, full in {full_of_copies}.");
    }
    println!("\nNanoseconds of single operations, half / 99 % / 99.9 %.\n");
    let shown = ["raw", "full", "dashmap", "papaya", "scc", "moka", "RwLock<HashMap>"];
    let shown: Vec<String> = shown.into_iter().map(str::to_owned).collect();
    let shown: Vec<&String> = shown.iter().chain(go.iter().copied()).collect();
    println!("| mix, keys, threads |{}", names(&shown));
    println!("| --- |{}", lines(shown.len()));
    for row in rows {
        let cell = |map: &&String| {
            let [half, most, nearly_all] =
                row.maps.get(*map).map_or([f64::NAN; 3], |figures| figures.percentiles);
            format!(" {half:.0} / {most:.0} / {nearly_all:.0} |")
        };
        println!("| {} |{}", row.case, shown.iter().map(cell).collect::<String>());
    }
}
