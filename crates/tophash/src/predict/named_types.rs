//! `--types`: a Go file, a folder of them, or a program.

use std::path::Path;

use anyhow::{Context, Result, bail};
use tophash_gomap::{GoSource, ProgramTypes, TypeNames};
use tophash_goruntime::program_types;
use tophash_memory::Target;

/// The largest file that is taken for Go source, in bytes.
const MAX_SOURCE: u64 = 64 << 20;
/// Files that are read of a folder.
const MAX_FILES: usize = 10_000;

/// Where named types come from.
pub(super) enum Given {
    Source(GoSource),
    Program(Box<Target>),
}

/// Opens what `--types` names.
pub(super) fn read(path: Option<&Path>) -> Result<Given> {
    let Some(path) = path else { return Ok(Given::Source(GoSource::default())) };
    let unreadable = || format!("{} can't be read", path.display());
    let kind = std::fs::metadata(path).with_context(unreadable)?;
    if kind.is_dir() {
        return folder(path);
    }
    if path.extension().is_some_and(|extension| extension == "go") {
        let mut source = GoSource::default();
        add(&mut source, path)?;
        return Ok(Given::Source(source));
    }
    Ok(Given::Program(Box::new(Target::open_executable(path)?)))
}

impl Given {
    /// Hands the names to what needs them.
    pub(super) fn with<R>(&self, work: impl FnOnce(&dyn TypeNames) -> Result<R>) -> Result<R> {
        match self {
            Self::Source(source) => work(source),
            Self::Program(target) => {
                let (_, types) = program_types(target)?;
                work(&ProgramTypes::new(&types))
            }
        }
    }
}

/// Reads the Go files of a folder, those of tests aside.
fn folder(path: &Path) -> Result<Given> {
    let unreadable = || format!("{} can't be read", path.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).with_context(unreadable)?.take(MAX_FILES) {
        let file = entry.with_context(unreadable)?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".go") && !name.ends_with("_test.go") && file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        bail!("{} holds no Go files: name the folder of one package", path.display());
    }
    files.sort();
    let mut source = GoSource::default();
    for file in &files {
        add(&mut source, file)?;
    }
    Ok(Given::Source(source))
}

fn add(source: &mut GoSource, path: &Path) -> Result<()> {
    let name = path.display().to_string();
    let unreadable = || format!("{name} can't be read");
    let size = std::fs::metadata(path).with_context(unreadable)?.len();
    if size > MAX_SOURCE {
        bail!("{name} is too large to be Go source ({size} bytes)");
    }
    let bytes = std::fs::read(path).with_context(unreadable)?;
    source.add(&name, &String::from_utf8_lossy(&bytes))?;
    Ok(())
}
