//! The whole test run: toolchains, fixtures, then every test of the workspace.
//!
//! Tests would install and build what they need by themselves, but while a
//! test harness holds back their output: done here first, a download that
//! takes a minute is seen to take one.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::fixture::{self, Fixture, Symbols};
use crate::toolchain::{self, Release, WIDE};
use crate::{layout, paths};

/// All tests as they are; those of features that are off unless asked for, some of which start a
/// server; and those whose locks and atomics shuttle schedules in place of the standard library's.
const RUNS: &[&[&str]] = &[
    &["test", "--workspace", "--no-fail-fast"],
    &[
        "test",
        "--package",
        "tophash-safemap",
        "--features",
        "derive,json-schema,nats,parquet,redis-tls,tracing,webhook",
    ],
    &["test", "--package", "tophash-safemap-redis", "--features", "json,tls"],
    &["test", "--package", "tophash-safemap", "--features", "shuttle", "--test", "shuttle"],
];

/// What proptest draws its cases by. A run judges a change, so that it tries the same cases before and
/// after; `cargo test` by itself draws new ones each time, and so does a run for which another seed is set.
const SEED: &str = "PROPTEST_RNG_SEED";

/// Runs all tests; `is_wide` asks for every release and experiment of the
/// matrix, and for the layout tables to be made anew and compared.
///
/// # Errors
///
/// When something cannot be installed or built, or a test fails.
pub fn run(is_wide: bool) -> Result<()> {
    let releases = if is_wide { Release::selected(&[])? } else { Release::tested() };
    for release in &releases {
        eprintln!("preparing Go {}", release.version);
        for fixture in Fixture::ALL {
            for symbols in [Symbols::Kept, Symbols::Stripped] {
                fixture::build(release.version, fixture, symbols)?;
            }
        }
    }
    if is_wide {
        eprintln!("comparing the layout tables");
        let differences = layout::check(&releases)?;
        ensure!(differences.is_empty(), "layout tables differ:\n{}", differences.join("\n"));
    }
    // The cargo that runs this task, else the one on the path.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut outcomes = Vec::new();
    for arguments in RUNS {
        let mut command = Command::new(&cargo);
        command.current_dir(paths::workspace()).args(*arguments);
        command.env(WIDE, if is_wide { "1" } else { "0" });
        if std::env::var_os(SEED).is_none() {
            command.env(SEED, "1");
        }
        outcomes.push(toolchain::run(&mut command));
    }
    // Whatever failed, all was run.
    outcomes.into_iter().collect()
}
