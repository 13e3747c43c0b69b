//! What tophash writes for viewers, shown to the viewers themselves.
//!
//! Graphviz lays out the call graph, the Firefox profiler's own reader adds up functions, and a
//! browser opens the flame graph and speedscope. All this is fetched over the network, at fixed
//! versions, and so is no part of the tests. Screenshots stay in `target/viewers`, to be looked at.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::bench::build_tophash;
use crate::fixture::{self, Fixture, Symbols};
use crate::{paths, toolchain};

const PACKAGES: [&str; 3] =
    ["speedscope@1.25.0", "playwright-core@1.65.1", "@firefox-devtools/profiler-cli@0.10.0"];

/// Which programs to use.
#[derive(Debug, Args)]
pub struct ViewerOptions {
    /// The tophash program; built from this tree if not given.
    #[arg(long)]
    tophash: Option<PathBuf>,
    /// The browser.
    #[arg(long, default_value = "chromium")]
    browser: PathBuf,
}

/// Shows profiles to all viewers.
///
/// # Errors
///
/// When one can't be had, or does not show what tophash counts.
pub fn run(options: &ViewerOptions) -> Result<()> {
    let tophash = match &options.tophash {
        Some(path) => fs::canonicalize(path)?,
        None => build_tophash()?,
    };
    let dir = paths::target().join("viewers");
    fs::create_dir_all(&dir)?;
    let program = fixture::build("1.27", Fixture::Profiles, Symbols::Kept)?;
    toolchain::run(Command::new(program).arg("real").arg(&dir))?;
    let profile = |arguments: &[&str]| {
        output(Command::new(&tophash).arg("profile").args(arguments).current_dir(&dir))
    };
    let truth = profile(&["heap.pb.gz", "--format", "json"])?;
    fs::write(dir.join("truth.json"), &truth)?;
    for (option, file) in [
        ("--speedscope", "speedscope.json"),
        ("--firefox", "firefox.json"),
        ("--html", "flame.html"),
        ("--flame", "flame.svg"),
    ] {
        profile(&["heap.pb.gz", option, file])?;
    }
    for (option, file) in [("--html", "difference.html"), ("--flame", "difference.svg")] {
        profile(&["heap-later.pb.gz", "--diff-base", "heap.pb.gz", option, file])?;
    }
    fs::write(dir.join("calls.dot"), profile(&["heap.pb.gz", "--dot"])?)?;

    show_to_graphviz(&dir)?;
    let npm = ["install", "--no-audit", "--no-fund", "--prefix", "."];
    output(Command::new("npm").args(npm).args(PACKAGES).current_dir(&dir))?;
    show_to_firefox(&dir, &serde_json::from_slice(&truth)?)?;
    let script = paths::workspace().join("xtask/viewers/check.mjs");
    let told =
        output(Command::new("node").arg(script).arg(found(&options.browser)?).current_dir(&dir))?;
    print!("{}", String::from_utf8_lossy(&told));
    println!("screenshots are in {}", dir.display());
    Ok(())
}

fn output(command: &mut Command) -> Result<Vec<u8>> {
    let name = command.get_program().to_owned();
    let output = command.output().with_context(|| format!("cannot run {}", name.display()))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed: {told}", name.display());
    Ok(output.stdout)
}

/// Finds a program as a shell does.
fn found(program: &Path) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
        .with_context(|| format!("{} is not installed", program.display()))
}

fn show_to_graphviz(dir: &Path) -> Result<()> {
    if found(OsStr::new("dot").as_ref()).is_err() {
        toolchain::install_package("graphviz")?;
    }
    let drawn = output(Command::new("dot").arg("-Tsvg").arg(dir.join("calls.dot")))?;
    let drawn = String::from_utf8_lossy(&drawn);
    for part in ["main.fill", "main.add", "class=\"edge\""] {
        ensure!(drawn.contains(part), "dot draws no {part}");
    }
    println!("dot draws {} functions", drawn.matches("class=\"node\"").count());
    Ok(())
}

/// Its own reader must come to the same sums, byte for byte.
fn show_to_firefox(dir: &Path, truth: &Value) -> Result<()> {
    let home = dir.join("home");
    fs::create_dir_all(&home)?;
    let ask = |arguments: &[&str]| {
        let program = dir.join("node_modules/.bin/profiler-cli");
        output(Command::new(program).args(arguments).current_dir(dir).env("HOME", &home))
    };
    ask(&["load", "firefox.json"])?;
    let answer = ask(&["thread", "functions", "--json"]);
    ask(&["stop", "--all"])?;
    let answer: Value = serde_json::from_slice(&answer?)?;
    ensure!(answer["weightType"] == "bytes", "it counts {}", answer["weightType"]);
    let rows = answer["functions"].as_array().context("no functions")?;
    let expected = truth["rows"].as_array().context("no rows")?;
    let mut equal = 0;
    for row in rows {
        let Some(own) = expected.iter().find(|own| own["function"] == row["name"]) else {
            continue;
        };
        let sums = (&row["selfSamples"], &row["totalSamples"]);
        ensure!(sums == (&own["flat"], &own["cum"]), "{row} where tophash counts {own}");
        equal += 1;
    }
    ensure!(equal > 5 && equal == rows.len(), "{equal} of {} functions are known", rows.len());
    println!("the Firefox profiler counts the same for {equal} functions");
    Ok(())
}
