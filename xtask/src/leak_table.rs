//! The table of where the standard library's functions let their arguments leak to.
//!
//! Each release of the matrix from 1.22 on compiles its own library once, with `-m`; older ones do not tell
//! what is written through a parameter. The compiler's output is read by an example of the engine's crate.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::paths;
use crate::toolchain::{self, MATRIX, Release, run};

/// The file that the engine has built in.
const TABLE: &str = "crates/escape-engine/tables/leaks.txt.gz";

/// Releases whose rules the engine knows, oldest first.
pub(crate) fn releases() -> impl Iterator<Item = Release> {
    MATRIX.into_iter().filter(|release| !matches!(release.language(), "1.19" | "1.21"))
}

/// Compiles every release's library and writes the table. Takes some minutes for each.
///
/// # Errors
///
/// When a toolchain can't be installed, or its library not be compiled.
pub fn write() -> Result<()> {
    let work = tempfile::tempdir()?;
    let mut arguments: Vec<OsString> = vec![paths::workspace().join(TABLE).into()];
    for release in releases() {
        let toolchain = toolchain::ensure(release.version)?;
        let output = work.path().join(release.version);
        // From a cache of its own, so that all of it is compiled and nothing is kept.
        let cache = tempfile::tempdir()?;
        eprintln!("compiling the library of Go {}", release.version);
        let status = toolchain
            .go(work.path(), "")
            .env("GOCACHE", cache.path())
            .args(["build", "-gcflags=std=-m -d=escapemutationscalls=1", "std"])
            .stderr(File::create(&output)?)
            .status()
            .context("cannot run go")?;
        ensure!(status.success(), "Go {} can't compile its library: {status}", release.version);
        arguments.push(release.language().into());
        arguments.push(toolchain.goroot().into());
        arguments.push(output.into());
    }
    run(Command::new(example("leak_table")?).args(arguments))
}

/// Builds an example of the engine's crate, and returns the program.
pub(crate) fn example(name: &str) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    run(Command::new(cargo)
        .current_dir(paths::workspace())
        .args(["build", "--quiet", "--release", "--package", "tophash-escape-engine"])
        .args(["--example", name]))?;
    Ok(paths::target().join("release/examples").join(name))
}
