//! Tasks of the project, for people and CI alike.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::bench::{self, BenchOptions};
use xtask::bench_lint::{self, LintBenchOptions};
use xtask::bench_maps::{self, BenchMapsOptions};
use xtask::bench_profiles::{self, ProfileBenchOptions};
use xtask::bench_safemap::{self, SafeMapBenchOptions};
use xtask::escape_table::{self, EscapeTableOptions};
use xtask::fixture::{self, Fixture, Symbols};
use xtask::programs::{Growth, Program};
use xtask::toolchain::{self, Release};
use xtask::viewers::{self, ViewerOptions};
use xtask::{folklore, layout, leak_table, policy, sample, suite};

/// Tasks of the project.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run all tests, after installing and building what they need.
    Test {
        /// Every release and experiment of the matrix, and the layout tables (as TOPHASH_WIDE=1).
        #[arg(long)]
        wide: bool,
    },
    /// Check what the compiler does not: dependencies, layers, `unsafe`, the map of the code.
    Policy,
    /// Install the Go toolchains of the test matrix that are missing.
    Toolchains {
        /// Only these releases, as 1.27 or 1.27.3.
        #[arg(long, num_args = 1..)]
        go: Vec<String>,
    },
    /// Write the layout tables of the matrix from what its toolchains build.
    Layouts {
        /// Only compare with the tables in the tree; fail if they differ.
        #[arg(long)]
        check: bool,
        /// Only these releases, as 1.27 or 1.27.3.
        #[arg(long, num_args = 1..)]
        go: Vec<String>,
    },
    /// Build the Go programs that tests read, with and without symbols.
    Fixtures {
        /// Only these releases, as 1.27 or 1.27.3.
        #[arg(long, num_args = 1..)]
        go: Vec<String>,
    },
    /// Make the packed core and program that ship with the command line.
    Sample,
    /// Fetch the programs of others that the wide tests read; none is installed.
    Programs {
        /// Only these: prometheus, etcd, nats, caddy, esbuild.
        names: Vec<String>,
    },
    /// Run programs of others under loads of which half leak, and save heap profiles of each.
    Growth {
        /// The folder, with one in it for each load.
        dir: PathBuf,
        /// How many profiles are taken of each.
        #[arg(long, default_value_t = 80)]
        profiles: usize,
    },
    /// Run all experiments on every release of the matrix, and write docs/folklore.md.
    Folklore,
    /// Compare the native escape engine with Go's own tests, and write docs/escape-native.md.
    EscapeTable(EscapeTableOptions),
    /// Compile the standard library with every release, and write the table of where its functions let
    /// arguments leak to.
    LeakTable,
    /// Time tophash and viewcore on cores of one leaking program, and print a table.
    BenchCores(BenchOptions),
    /// Time `tophash lint` over Go's own source beside `go vet` and staticcheck, and print a table.
    BenchLint(LintBenchOptions),
    /// Time tophash and `go tool pprof` on made up profiles, and print a table.
    BenchProfiles(ProfileBenchOptions),
    /// Show what tophash writes of profiles to dot, the Firefox profiler, speedscope and a browser.
    Viewers(ViewerOptions),
    /// Time running maps beside real Go's and hashbrown's, and print tables.
    BenchMaps(BenchMapsOptions),
    /// Time safemap beside other concurrent maps, those of real Go among them, and print tables.
    BenchSafemap(SafeMapBenchOptions),
    /// Run a command and write what it took to a file, as the benchmark does for each.
    #[command(hide = true)]
    Measure {
        /// Where the figures go.
        #[arg(long)]
        to: PathBuf,
        /// The command.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Write a small core of a running process.
    Core {
        /// The process.
        pid: u32,
        /// The file to write.
        out: PathBuf,
    },
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().task {
        Task::Test { wide } => suite::run(wide || toolchain::is_wide())?,
        Task::Policy => {
            let faults = policy::check()?;
            for fault in &faults {
                println!("{fault}");
            }
            if !faults.is_empty() {
                return Ok(ExitCode::FAILURE);
            }
        }
        Task::Toolchains { go } => {
            for release in Release::selected(&go)? {
                let toolchain = toolchain::ensure(release.version)?;
                println!("{}\t{}", toolchain.full_version()?, toolchain.goroot().display());
            }
        }
        Task::Layouts { check: false, go } => layout::write(&Release::selected(&go)?)?,
        Task::Layouts { check: true, go } => {
            let differences = layout::check(&Release::selected(&go)?)?;
            for difference in &differences {
                println!("{difference}");
            }
            if !differences.is_empty() {
                return Ok(ExitCode::FAILURE);
            }
        }
        Task::Fixtures { go } => {
            for release in Release::selected(&go)? {
                for fixture in Fixture::ALL {
                    for symbols in [Symbols::Kept, Symbols::Stripped] {
                        println!(
                            "{}",
                            fixture::build(release.version, fixture, symbols)?.display()
                        );
                    }
                }
            }
        }
        Task::Sample => {
            for file in sample::write()? {
                println!("{}\t{}", file.display(), file.metadata()?.len());
            }
        }
        Task::Programs { names } => {
            for program in Program::selected(&names)? {
                println!("{}\t{}", program.name(), program.executable()?.display());
            }
        }
        Task::Growth { dir, profiles } => {
            for (number, growth) in Growth::ALL.into_iter().enumerate() {
                let dir = dir.join(format!("{number}-{}", growth.program.name()));
                growth.run(profiles, &dir)?;
                println!("{}\t{}", dir.display(), growth.words());
            }
        }
        Task::Folklore => folklore::write()?,
        Task::EscapeTable(options) => escape_table::write(&options)?,
        Task::LeakTable => leak_table::write()?,
        Task::BenchCores(options) => bench::run(&options)?,
        Task::BenchLint(options) => bench_lint::run_all(&options)?,
        Task::BenchProfiles(options) => bench_profiles::run(&options)?,
        Task::Viewers(options) => viewers::run(&options)?,
        Task::BenchMaps(options) => bench_maps::run(&options)?,
        Task::BenchSafemap(options) => bench_safemap::run(&options)?,
        Task::Measure { to, command } => xtask::measure::run_here(&command, &to)?,
        Task::Core { pid, out } => xtask::core::write_core(pid, &out)?,
    }
    Ok(ExitCode::SUCCESS)
}
