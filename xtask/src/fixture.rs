//! The Go programs below `fixtures/`, built by every toolchain of the matrix.
//!
//! A program lands in `target/fixtures/go1.27.3/maps`, or `maps-stripped`, with
//! the experiment's name behind the version if there is one. Beside it lies a
//! stamp with a hash of all that went into it; a program whose stamp is still
//! right is not built again. Tests may ask for the same one at the same time.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::toolchain::{self, Toolchain, run};
use crate::{lock, paths};

/// A program to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fixture {
    /// Maps of every kind, in every state, held in every way.
    Maps,
    /// Maps whose cost it measures to the byte.
    MapCost,
    /// A session service that leaks.
    Leaky,
    /// Three maps of as many entries as are asked for.
    Bench,
    /// Something to find for every rule, and something in order beside it.
    Findings,
    /// A large map held in each way there is, let go of one at a time.
    Holdings,
    /// Leaks as real programs have had them.
    Wild,
    /// Maps of types that few think of, measured.
    Predict,
    /// Random operations on maps, and a digest of the map's memory after each.
    MapState,
    /// Profiles of itself and made up ones, in files and behind a URL.
    Profiles,
    /// Maps whose use it records.
    Traced,
    /// Operations on maps, timed.
    MapSpeed,
    /// Mixes of operations on maps that threads share, timed as they are asked for.
    MapMix,
    /// Allocations by a script, and what the runtime tells of its heap.
    Heap,
    /// A service that tells of its memory by expvar and metrics.
    Vitals,
    /// Places that allocate maps, and places that allocate what looks like them.
    MapSites,
    /// Maps that grow with requests, in each place that source can have them.
    Explained,
}

impl Fixture {
    /// Every program, in the order in which they are described above.
    pub const ALL: [Self; 17] = [
        Self::Maps,
        Self::MapCost,
        Self::Leaky,
        Self::Bench,
        Self::Findings,
        Self::Holdings,
        Self::Wild,
        Self::Predict,
        Self::MapState,
        Self::Profiles,
        Self::Traced,
        Self::MapSpeed,
        Self::MapMix,
        Self::Heap,
        Self::Vitals,
        Self::MapSites,
        Self::Explained,
    ];

    /// The name of its folder below `fixtures/` and of the built program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Maps => "maps",
            Self::MapCost => "mapcost",
            Self::Leaky => "leaky",
            Self::Bench => "bench",
            Self::Findings => "findings",
            Self::Holdings => "holdings",
            Self::Wild => "wild",
            Self::Predict => "predict",
            Self::MapState => "mapstate",
            Self::Profiles => "profiles",
            Self::Traced => "traced",
            Self::MapSpeed => "mapspeed",
            Self::MapMix => "mapmix",
            Self::Heap => "heap",
            Self::Vitals => "vitals",
            Self::MapSites => "mapsites",
            Self::Explained => "explained",
        }
    }
}

/// Whether a built program keeps its symbols and debug information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Symbols {
    /// As `go build` leaves it.
    Kept,
    /// As it is deployed: linked with `-s -w`.
    Stripped,
}

/// Builds a program with the release `version` unless it is up to date, and
/// gives its path.
///
/// # Errors
///
/// When the toolchain is missing and cannot be installed, or does not build it.
pub fn build(version: &str, fixture: Fixture, symbols: Symbols) -> Result<PathBuf> {
    build_experiment(version, "", fixture, symbols)
}

/// As [`build`], with a value for `GOEXPERIMENT`.
///
/// # Errors
///
/// As for [`build`], and when the release does not have the experiment.
pub fn build_experiment(
    version: &str,
    experiment: &str,
    fixture: Fixture,
    symbols: Symbols,
) -> Result<PathBuf> {
    build_mode(version, experiment, fixture, symbols, "exe")
}

/// As [`build`], as a program that is loaded anywhere.
///
/// # Errors
///
/// As for [`build`].
pub fn build_position_independent(
    version: &str,
    fixture: Fixture,
    symbols: Symbols,
) -> Result<PathBuf> {
    build_mode(version, "", fixture, symbols, "pie")
}

fn build_mode(
    version: &str,
    experiment: &str,
    fixture: Fixture,
    symbols: Symbols,
    mode: &str,
) -> Result<PathBuf> {
    let toolchain = toolchain::ensure(version)?;
    let source = paths::workspace().join("fixtures").join(fixture.name());
    let folder = match experiment {
        "" => format!("go{}", toolchain.release().version),
        _ => format!("go{}-{experiment}", toolchain.release().version),
    };
    let folder = paths::target().join("fixtures").join(folder);
    let name = match symbols {
        Symbols::Kept => fixture.name().to_owned(),
        Symbols::Stripped => format!("{}-stripped", fixture.name()),
    };
    let name = match mode {
        "exe" => name,
        _ => format!("{name}-{mode}"),
    };
    let program = folder.join(&name);
    let stamp = folder.join(format!("{name}.stamp"));
    let flags = match symbols {
        Symbols::Kept => "",
        Symbols::Stripped => "-s -w",
    };
    let mut sources = vec![source.clone()];
    if fixture == Fixture::Traced {
        sources.push(paths::workspace().join("go/maptrace"));
    }
    let fresh = fingerprint(&sources, &toolchain, flags)?;

    let _held = lock::hold(&folder.join(format!("{name}.lock")))?;
    if program.exists() && fs::read_to_string(&stamp).is_ok_and(|kept| kept == fresh) {
        return Ok(program);
    }
    // Moved into place when whole: an older build may be running.
    let unfinished = folder.join(format!("{name}.unfinished"));
    run(toolchain
        .go(&source, experiment)
        .args([
            "build",
            "-trimpath",
            "-buildvcs=false",
            "-buildmode",
            mode,
            "-ldflags",
            flags,
            "-o",
        ])
        .arg(&unfinished)
        .arg("."))
    .with_context(|| format!("cannot build {name} with Go {version} {experiment}"))?;
    fs::rename(&unfinished, &program)?;
    fs::write(&stamp, fresh)?;
    Ok(program)
}

/// A hash of the sources, the toolchain and the flags.
fn fingerprint(sources: &[PathBuf], toolchain: &Toolchain, flags: &str) -> Result<String> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut folders = sources.to_vec();
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?
        {
            let entry = entry?;
            let list = if entry.file_type()?.is_dir() { &mut folders } else { &mut files };
            list.push(entry.path());
        }
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    (toolchain.full_version()?, flags).hash(&mut hasher);
    for file in files {
        (file.file_name(), fs::read(&file)?).hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_a_folder_with_its_module() {
        for fixture in Fixture::ALL {
            let module = paths::workspace().join("fixtures").join(fixture.name()).join("go.mod");
            assert!(module.is_file(), "{}", module.display());
        }
    }
}
