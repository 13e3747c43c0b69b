//! Two commits of a repository, each in a work tree of its own that goes away afterwards.
//!
//! A work tree lies at a path that the commit determines, if it can: the go command's cache knows a
//! package by where it lies, and compares faster the second time. A lock on the folder says that a run
//! is at it; the kernel takes it back when the run ends, in whatever way. So what a run left behind
//! that was killed is known by its lock being free, and the next one for that commit takes it away.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Work trees that there are now, each with its repository.
static TREES: Mutex<Vec<(PathBuf, PathBuf)>> = Mutex::new(Vec::new());

/// One side of a comparison.
pub(super) struct Revision {
    /// The folder to ask the compiler in.
    pub(super) dir: PathBuf,
    /// The work tree, and the repository that it must be taken away from.
    tree: Option<(PathBuf, PathBuf)>,
    _lock: Option<File>,
}

/// Brings out a revision; `.` is what lies in `dir` now.
pub(super) fn bring_out(dir: &Path, revision: &str) -> Result<Revision> {
    if revision == "." {
        return Ok(Revision { dir: dir.to_owned(), tree: None, _lock: None });
    }
    let top = git(dir, &["rev-parse", "--show-toplevel"]).with_context(|| {
        format!("{} is in no git repository: --diff compares commits of one", dir.display())
    })?;
    let inside = git(dir, &["rev-parse", "--show-prefix"])?;
    let name = format!("{revision}^{{commit}}");
    // It says nothing of what is no commit.
    let Ok(commit) = git(dir, &["rev-parse", "--verify", "--quiet", "--end-of-options", &name])
    else {
        bail!("{revision} is no commit of {top}");
    };
    let top = PathBuf::from(top);
    let (tree, lock) = folder(&top, commit.get(..16).unwrap_or(&commit))?;
    trees().push((top.clone(), tree.clone()));
    let revision = Revision {
        dir: tree.join(&inside),
        tree: Some((top.clone(), tree.clone())),
        _lock: Some(lock),
    };
    let place = tree.to_string_lossy().into_owned();
    // Hooks are for the person's own work: one may take minutes, or write somewhere else.
    let add = ["-c", "core.hooksPath=/dev/null", "worktree", "add", "--detach", "--force"];
    git(&top, &[&add[..], &[&place, &commit]].concat())
        .with_context(|| format!("{commit} can't be checked out"))?;
    if !revision.dir.is_dir() {
        bail!("{commit} has no folder {inside}");
    }
    Ok(revision)
}

/// From here on, a signal that ends the run takes its work trees away first.
pub(super) fn take_away_on_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("signals can't be caught")?;
    let wait = move || {
        if let Some(signal) = signals.forever().next() {
            for (top, tree) in trees().iter() {
                take_away(top, tree);
            }
            std::process::exit(128 + signal);
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)
        .context("no thread can be started")?;
    Ok(())
}

fn trees() -> MutexGuard<'static, Vec<(PathBuf, PathBuf)>> {
    TREES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Revision {
    fn drop(&mut self) {
        let Some((top, tree)) = self.tree.take() else { return };
        // Whoever holds this takes away: a signal waits until it is done, or was first.
        let mut trees = trees();
        take_away(&top, &tree);
        trees.retain(|(_, other)| *other != tree);
    }
}

/// Nothing better can be done where this fails: the next run for the commit tries again.
fn take_away(top: &Path, tree: &Path) {
    let _ = git(top, &["worktree", "remove", "--force", &tree.to_string_lossy()]);
    let _ = fs::remove_dir_all(tree);
    let _ = git(top, &["worktree", "prune"]);
}

/// Makes an empty folder for a commit, and locks it.
fn folder(top: &Path, commit: &str) -> Result<(PathBuf, File)> {
    let named = std::env::temp_dir().join(format!("tophash-escape-{commit}"));
    // Another run may be at it, or someone else may own the name.
    let is_made = fs::create_dir(&named).is_ok() || take_away_leftover(top, &named);
    if is_made && let Some(lock) = locked(&named) {
        return Ok((named, lock));
    }
    let folder = tempfile::Builder::new()
        .prefix("tophash-escape-")
        .tempdir()
        .context("a temporary folder can't be made")?
        .keep();
    let lock = locked(&folder).with_context(|| format!("{} can't be locked", folder.display()))?;
    Ok((folder, lock))
}

/// Locks a folder, unless somebody else has.
fn locked(folder: &Path) -> Option<File> {
    let file = File::open(folder).ok()?;
    file.try_lock().ok()?;
    // Between the two, another run may have made it anew, and locked that.
    let is_there = fs::metadata(folder).ok()?.ino() == file.metadata().ok()?.ino();
    is_there.then_some(file)
}

/// Makes a folder anew that a run left behind: of this person, of this repository, with nobody at it.
fn take_away_leftover(top: &Path, folder: &Path) -> bool {
    let owner = |about: fs::Metadata| about.is_dir().then(|| about.uid());
    let of_folder = fs::symlink_metadata(folder).ok().and_then(owner);
    if of_folder.is_none() || of_folder != fs::metadata("/proc/self").ok().and_then(owner) {
        return false;
    }
    let Some(lock) = locked(folder) else { return false };
    let is_empty = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    if !is_empty && !is_work_tree_of(top, folder) {
        return false;
    }
    take_away(top, folder);
    drop(lock);
    fs::create_dir(folder).is_ok()
}

/// Whether a folder's `.git` names a repository.
fn is_work_tree_of(top: &Path, folder: &Path) -> bool {
    let known = || {
        let common = git(top, &["rev-parse", "--git-common-dir"]).ok()?;
        let common = top.join(common).canonicalize().ok()?;
        let text = fs::read_to_string(folder.join(".git")).ok()?;
        let named = PathBuf::from(text.strip_prefix("gitdir: ")?.trim_end());
        Some(named.starts_with(common.join("worktrees")))
    };
    known().unwrap_or(false)
}

/// Runs git in a folder, and returns what it prints.
pub(super) fn git(dir: &Path, arguments: &[&str]) -> Result<String> {
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
