//! How long `tophash lint` takes over Go's own source, beside `go vet` and staticcheck on the same packages.
//!
//! The three look for different things, and the other two need types, for which they compile: the figures
//! say what it costs to ask, and not who does more. `go vet` and staticcheck start with empty caches each
//! time, as on a fresh machine, and once more with what the first run left. `tophash lint` has no cache;
//! it reads all files of all systems, the others those of this one. Each source file is in memory before.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::bench::{build_tophash, machine, median};
use crate::measure::{Usage, measure};
use crate::toolchain::{self, Toolchain, run};
use crate::{lock, paths};

const GO: &str = "1.27";
const STATICCHECK: &str = "honnef.co/go/tools/cmd/staticcheck@latest";

/// What to time, and how often.
#[derive(Debug, Args)]
pub struct LintBenchOptions {
    /// The tophash program; built from this tree if not given.
    #[arg(long)]
    tophash: Option<PathBuf>,
    /// The packages that `go vet` and staticcheck look at; tophash reads GOROOT/src, or GOROOT/src/PACKAGE for
    /// others than std and cmd.
    #[arg(long, value_delimiter = ',', default_value = "std,cmd")]
    packages: Vec<String>,
    /// How often each command runs.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Leave staticcheck out, which is fetched from Go's module proxy.
    #[arg(long)]
    no_staticcheck: bool,
}

/// A command to time.
struct Contender {
    name: &'static str,
    command: Vec<OsString>,
    /// Whether it starts with empty caches.
    is_cold: bool,
    usages: Vec<Usage>,
}

/// Runs the benchmark and prints a table in Markdown.
///
/// # Errors
///
/// When a program cannot be built or run. That `go vet` or staticcheck find something is no fault.
pub fn run_all(options: &LintBenchOptions) -> Result<()> {
    ensure!(options.rounds > 0, "at least one round");
    let toolchain = toolchain::ensure(GO)?;
    let tophash = match &options.tophash {
        Some(path) => fs::canonicalize(path)?,
        None => build_tophash()?,
    };
    let dir = paths::target().join("bench-lint");
    fs::create_dir_all(&dir)?;
    let source = toolchain.goroot().join("src");
    let mut lint: Vec<OsString> = vec![tophash.into(), "lint".into()];
    lint.extend(read_paths(&source, &options.packages));
    let mut all = vec![Contender {
        name: "`tophash lint`",
        command: lint,
        is_cold: false,
        usages: Vec::new(),
    }];
    let mut vet = with_caches(&toolchain, &source, &dir);
    vet.extend([toolchain.goroot().join("bin/go").into(), "vet".into()]);
    vet.extend(options.packages.iter().map(OsString::from));
    for (name, is_cold) in [("`go vet`, empty cache", true), ("`go vet` again", false)] {
        all.push(Contender { name, command: vet.clone(), is_cold, usages: Vec::new() });
    }
    if !options.no_staticcheck {
        let mut check = with_caches(&toolchain, &source, &dir);
        check.push(staticcheck(&toolchain, &dir)?.into());
        check.extend(options.packages.iter().map(OsString::from));
        for (name, is_cold) in [("staticcheck, empty caches", true), ("staticcheck again", false)] {
            all.push(Contender { name, command: check.clone(), is_cold, usages: Vec::new() });
        }
    }
    // The source is in memory from here on.
    let (_, told) = measure(&all[0].command, &dir)?;
    let last = told.lines().last().unwrap_or_default();
    println!("{}, {}: {last}\n", machine(), toolchain.full_version()?);
    for _ in 0..options.rounds {
        for contender in &mut all {
            if contender.is_cold {
                empty(&dir)?;
            }
            let (usage, _) = measure(&contender.command, &dir)?;
            eprintln!("{}: {:.1} s by the clock", contender.name, usage.wall_seconds);
            contender.usages.push(usage);
        }
    }
    println!("| command | wall s | CPU s | peak MB | wall to tophash | CPU to tophash |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    let of = |usages: &[Usage]| {
        let sorted = |of: fn(&Usage) -> f64| median(usages.iter().map(of));
        [
            sorted(|usage| usage.wall_seconds),
            sorted(|usage| usage.cpu_seconds),
            sorted(|usage| usage.peak_kib as f64 / 1024.0 * 1.048_576),
        ]
    };
    let [first_wall, first_cpu, _] = of(&all[0].usages);
    for contender in &all {
        let [wall, cpu, peak] = of(&contender.usages);
        println!(
            "| {} | {wall:.2} | {cpu:.2} | {peak:.0} | {:.1} | {:.1} |",
            contender.name,
            wall / first_wall,
            cpu / first_cpu
        );
    }
    empty(&dir)
}

/// What `tophash lint` reads for packages.
fn read_paths(source: &Path, packages: &[String]) -> Vec<OsString> {
    if packages.iter().any(|package| ["std", "cmd"].contains(&package.as_str())) {
        return vec![source.into()];
    }
    packages.iter().map(|package| source.join(package).into()).collect()
}

/// The beginning of a command that keeps what it compiles in a folder of ours.
fn with_caches(toolchain: &Toolchain, source: &Path, dir: &Path) -> Vec<OsString> {
    let mut command: Vec<OsString> = vec!["env".into()];
    command.extend(["-C".into(), source.into()]);
    for (name, value) in toolchain.go(source, "").get_envs() {
        if let Some(value) = value
            && name != "GOCACHE"
        {
            let mut setting = name.to_owned();
            setting.push("=");
            setting.push(value);
            command.push(setting);
        }
    }
    for name in ["GOCACHE", "STATICCHECK_CACHE"] {
        let mut setting = OsString::from(format!("{name}="));
        setting.push(dir.join("cache").join(name));
        command.push(setting);
    }
    // staticcheck asks the go command that it finds.
    let mut path = OsString::from("PATH=");
    path.push(toolchain.goroot().join("bin"));
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    command.push(path);
    command
}

fn empty(dir: &Path) -> Result<()> {
    let cache = dir.join("cache");
    if cache.exists() {
        fs::remove_dir_all(&cache).with_context(|| format!("cannot empty {}", cache.display()))?;
    }
    Ok(())
}

/// Builds staticcheck, in a cache that is not timed.
fn staticcheck(toolchain: &Toolchain, dir: &Path) -> Result<PathBuf> {
    let program = dir.join("bin/staticcheck");
    let _lock = lock::hold(&dir.join("staticcheck.lock"))?;
    if !program.is_file() {
        let mut install = toolchain.go(dir, "");
        install.env("GOBIN", dir.join("bin"));
        toolchain::let_fetch(&mut install);
        run(install.args(["install", STATICCHECK]))?;
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_packages_are_read_by_themselves() {
        let source = Path::new("/go/src");
        let read = |packages: &[&str]| {
            read_paths(source, &packages.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(read(&["std", "cmd"]), ["/go/src"]);
        assert_eq!(read(&["net/http", "fmt"]), ["/go/src/net/http", "/go/src/fmt"]);
    }
}
