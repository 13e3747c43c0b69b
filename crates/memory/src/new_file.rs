//! A file that shows up at its path when it is whole, and not before.
//!
//! It has no name until then (`O_TMPFILE`), so that whatever ends the tool, `SIGKILL` or a full disk,
//! leaves nothing behind. Some file systems (NFS, older overlays) can't do that. There it is a hidden
//! file beside its path, which is removed when the value is dropped or a signal ends the tool.
//!
//! Only its owner may read it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::libc;
use nix::sys::signal::{SigSet, Signal, raise};
use nix::unistd::linkat;
use tempfile::{Builder, TempPath};

/// Signals by which people and service managers end a program.
const ENDING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
const MODE: u32 = 0o600;

/// A file that is being written.
///
/// Made before other threads are, since where it has a name, signals must be kept from them.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    dir: PathBuf,
    file: File,
    /// Its name for now, where it has one.
    name: Option<TempPath>,
}

impl NewFile {
    /// Makes the file, which gets its name from [`Self::finish`].
    ///
    /// # Errors
    ///
    /// Fails where no file can be made in the folder, or the path is a folder.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::create_in(path, true)
    }

    fn create_in(path: &Path, may_be_nameless: bool) -> io::Result<Self> {
        if path.is_dir() || path.file_name().is_none() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let dir = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let (path, dir) = (path.to_owned(), dir.to_owned());
        let nameless =
            || OpenOptions::new().write(true).mode(MODE).custom_flags(libc::O_TMPFILE).open(&dir);
        if may_be_nameless && let Ok(file) = nameless() {
            return Ok(Self { path, dir, file, name: None });
        }
        let make =
            |name: &Path| OpenOptions::new().write(true).create_new(true).mode(MODE).open(name);
        // Its own message would name the hidden file.
        let made = hidden().make_in(&dir, make).map_err(|fault| {
            fault.raw_os_error().map_or_else(|| fault.kind().into(), io::Error::from_raw_os_error)
        })?;
        let (file, name) = made.into_parts();
        remove_when_ended(name.to_path_buf());
        Ok(Self { path, dir, file, name: Some(name) })
    }

    /// Returns the file, for writing.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name; one that had it before is gone.
    ///
    /// # Errors
    ///
    /// Fails where the folder does not take it any more.
    pub fn finish(self) -> io::Result<()> {
        let name = match self.name {
            Some(name) => name,
            None => {
                let open = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                let link = |name: &Path| {
                    linkat(AT_FDCWD, open.as_str(), AT_FDCWD, name, AtFlags::AT_SYMLINK_FOLLOW)
                        .map_err(io::Error::from)
                };
                hidden().make_in(&self.dir, link)?.into_temp_path()
            }
        };
        name.persist(&self.path).map_err(|fault| fault.error)
    }
}

/// Names for a hidden file.
fn hidden() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(".tophash-").suffix(".unfinished");
    builder
}

/// Removes a file before a signal ends the program.
fn remove_when_ended(name: PathBuf) {
    let ending: SigSet = ENDING.into_iter().collect();
    // Threads that are made from here on are spared too.
    if ending.thread_block().is_err() {
        return;
    }
    std::thread::spawn(move || {
        let Ok(signal) = ending.wait() else { return };
        // It may have its right name by now.
        let _ = std::fs::remove_file(&name);
        let _ = ending.thread_unblock();
        let _ = raise(signal);
    });
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_shows_up_when_it_is_whole_and_replaces_the_one_before() {
        for may_be_nameless in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("out");
            std::fs::write(&path, "before").unwrap();
            let new = NewFile::create_in(&path, may_be_nameless).unwrap();
            new.file().write_all(b"after").unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"before");
            new.finish().unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"after");
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, MODE);
            assert_eq!(names(dir.path()), ["out"]);
        }
    }

    #[test]
    fn a_file_that_is_not_finished_leaves_nothing_behind() {
        for may_be_nameless in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let new = NewFile::create_in(&dir.path().join("out"), may_be_nameless).unwrap();
            new.file().write_all(b"half").unwrap();
            drop(new);
            assert!(names(dir.path()).is_empty());
        }
    }

    #[test]
    fn folders_are_no_place_for_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let kind = |path: &Path| NewFile::create(path).unwrap_err().kind();
        assert_eq!(kind(dir.path()), io::ErrorKind::IsADirectory);
        assert_eq!(kind(&dir.path().join("none/out")), io::ErrorKind::NotFound);
    }
}
