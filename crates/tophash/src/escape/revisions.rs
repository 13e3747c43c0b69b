//! Two commits of a repository, each in a work tree of its own that goes away afterwards.
//!
//! A work tree lies at a path that the commit determines, if it can: the go command's cache knows a
//! package by where it lies, and compares faster the second time.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// One side of a comparison.
pub(super) struct Revision {
    /// The folder to ask the compiler in.
    pub(super) dir: PathBuf,
    /// The work tree, and the repository that it must be taken away from.
    tree: Option<(PathBuf, PathBuf)>,
}

/// Brings out a revision; `.` is what lies in `dir` now.
pub(super) fn bring_out(dir: &Path, revision: &str) -> Result<Revision> {
    if revision == "." {
        return Ok(Revision { dir: dir.to_owned(), tree: None });
    }
    let top = git(dir, &["rev-parse", "--show-toplevel"]).with_context(|| {
        format!("{} is in no git repository: --diff compares commits of one", dir.display())
    })?;
    let inside = git(dir, &["rev-parse", "--show-prefix"])?;
    let name = format!("{revision}^{{commit}}");
    let commit = git(dir, &["rev-parse", "--verify", "--quiet", "--end-of-options", &name])
        .with_context(|| format!("{revision} is no commit of {top}"))?;
    let short = commit.get(..16).unwrap_or(&commit);
    let top = PathBuf::from(top);
    let user = std::env::temp_dir().join(format!("tophash-escape-{short}"));
    // Another run may be at it, or someone else may own the name.
    let tree = match std::fs::create_dir(&user) {
        Ok(()) => user,
        Err(_) => tempfile::Builder::new()
            .prefix("tophash-escape-")
            .tempdir()
            .context("a temporary folder can't be made")?
            .keep(),
    };
    let revision = Revision { dir: tree.join(&inside), tree: Some((top.clone(), tree.clone())) };
    let place = tree.to_string_lossy().into_owned();
    git(&top, &["worktree", "add", "--detach", "--force", &place, &commit])
        .with_context(|| format!("{commit} can't be checked out"))?;
    if !revision.dir.is_dir() {
        bail!("{commit} has no folder {inside}");
    }
    Ok(revision)
}

impl Drop for Revision {
    fn drop(&mut self) {
        let Some((top, tree)) = self.tree.take() else { return };
        let place = tree.to_string_lossy().into_owned();
        // Nothing better can be done where this fails; git prune repairs it.
        let _ = git(&top, &["worktree", "remove", "--force", &place]);
        let _ = std::fs::remove_dir_all(&tree);
        let _ = git(&top, &["worktree", "prune"]);
    }
}

fn git(dir: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(dir)
        .args(arguments)
        .output()
        .context("there is no git that can be run")?;
    if !output.status.success() {
        bail!("git: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
}
