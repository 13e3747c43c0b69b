//! The Go that a person means: a GOROOT, a `go` command by its path, or one by its name.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// An installed `go` command.
#[derive(Debug, Clone)]
pub(crate) struct GoCommand {
    /// Its path, absolute.
    pub(crate) path: PathBuf,
    /// The GOROOT, where that is what was named.
    pub(crate) goroot: Option<PathBuf>,
}

impl GoCommand {
    /// Finds the command. It is not run, so that it may be something else.
    ///
    /// # Errors
    ///
    /// Fails where nothing is at the place that could be one.
    pub(crate) fn find(place: &Path) -> Result<Self> {
        let absolute = |path: &Path| {
            path.canonicalize().with_context(|| format!("{} can't be used", path.display()))
        };
        let inside = place.join("bin/go");
        if inside.is_file() {
            return Ok(Self { path: absolute(&inside)?, goroot: Some(absolute(place)?) });
        }
        // A name is that of a command first, as in a shell.
        let path = if place.components().count() == 1 && !place.is_dir() {
            search_path(place).with_context(|| {
                format!(
                    "there is no {} on the PATH; install it, or name one with --go GOROOT",
                    place.display()
                )
            })?
        } else if place.is_file() {
            place.to_owned()
        } else {
            bail!(
                "{} is no Go: a GOROOT has bin/go in it, and go env GOROOT prints its path",
                place.display()
            );
        };
        Ok(Self { path: absolute(&path)?, goroot: None })
    }
}

fn search_path(name: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
}
