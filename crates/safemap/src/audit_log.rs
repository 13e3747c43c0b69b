//! A file of audit records, one line of JSON each, that grows no further than it is told.
//!
//! A line is in the file whole or not at all: it is written in one piece at the end of the file, and
//! what a full disk let through of it is taken back. A process that dies in between can leave half a
//! line, which the next one to open the file closes off, and readers leave out. When the next line
//! would make the file too long, the file becomes `NAME.1`, what was that `NAME.2`, and so on; the
//! oldest goes. A file belongs to one process, which holds it locked.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::audit::AuditRecord;

/// Appends audit records to a file, and to a new one when that is full.
///
/// ```
/// use tophash_safemap::{AuditLog, AuditRecord, SafeMap, Schema};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("audits.jsonl");
/// let map = SafeMap::new(Schema::open());
/// let log = AuditLog::new(&path).max_bytes(1 << 20).keep(3).open()?;
/// log.append(&map.audit())?;
/// let (records, _) = AuditRecord::parse_lines(&std::fs::read_to_string(&path)?);
/// assert_eq!(records.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A clone appends to the same file, so that several maps of a process can share one.
#[derive(Clone, Debug)]
pub struct AuditLog {
    inner: Arc<Mutex<Inner>>,
}

/// Sets an [`AuditLog`] up; made by [`AuditLog::new`].
#[derive(Clone, Debug)]
pub struct AuditLogBuilder {
    path: PathBuf,
    max_bytes: u64,
    keep: u32,
}

#[derive(Debug)]
struct Inner {
    config: AuditLogBuilder,
    file: File,
    /// How long the file is, by what was written to it.
    length: u64,
    /// Whether the file ends with a part of a line.
    is_torn: bool,
}

impl AuditLog {
    /// Starts to set up a log at a path.
    #[expect(clippy::new_ret_no_self, reason = "the path alone does not open the file")]
    pub fn new(path: impl Into<PathBuf>) -> AuditLogBuilder {
        AuditLogBuilder { path: path.into(), max_bytes: 16 << 20, keep: 4 }
    }

    /// Appends a record.
    ///
    /// # Errors
    ///
    /// Fails when the system does. No part of the record is in the file then, and the next one can
    /// be appended.
    pub fn append(&self, record: &AuditRecord) -> io::Result<()> {
        let line = record.to_line();
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).append(line.as_bytes())
    }
}

impl AuditLogBuilder {
    /// How long the file may become; 16 MiB unless said. A single longer line has a file of its own.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How many full files are kept beside the one that is written; four unless said.
    #[must_use]
    pub fn keep(mut self, files: u32) -> Self {
        self.keep = files;
        self
    }

    /// Opens the file, or makes it, for its owner and group to read.
    ///
    /// # Errors
    ///
    /// Fails when the system does, and when another log has the file open.
    pub fn open(self) -> io::Result<AuditLog> {
        let inner = Inner::open(self)?;
        Ok(AuditLog { inner: Arc::new(Mutex::new(inner)) })
    }
}

/// A path with one more part to its name.
pub(crate) fn beside(path: &Path, part: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(part);
    name.into()
}

/// Numbers full files anew, and makes `path` the first of them; the oldest goes, and with none to keep
/// the file itself. Each step leaves files that can be read; one that fails is tried again with the next
/// record.
pub(crate) fn make_room(path: &Path, keep: u32) -> io::Result<()> {
    let full = |number: u32| beside(path, &number.to_string());
    // Where the file has made room already, and only the new one couldn't be made, numbering anew would
    // let go of the oldest for nothing, once for each record that comes meanwhile.
    if keep == 0 || std::fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    for number in (1..keep).rev() {
        rename_if_there(&full(number), &full(number + 1))?;
    }
    rename_if_there(path, &full(1))
}

impl Inner {
    fn open(config: AuditLogBuilder) -> io::Result<Self> {
        let mut file = open_locked(&config.path)?;
        let length = file.seek(SeekFrom::End(0))?;
        let mut last = [b'\n'];
        if length > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        Ok(Self { config, file, length, is_torn: last != [b'\n'] })
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let mut text = Vec::with_capacity(line.len() + 1);
        if self.length > 0 && self.length.saturating_add(line.len() as u64) > self.config.max_bytes
        {
            self.rotate()?;
        }
        if self.is_torn {
            text.push(b'\n');
        }
        text.extend_from_slice(line);
        if let Err(fault) = self.file.write_all(&text) {
            // What can't be taken back is closed off before the next line.
            self.is_torn |= self.file.set_len(self.length).is_err();
            return Err(fault);
        }
        self.length += text.len() as u64;
        self.is_torn = false;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let config = &self.config;
        if config.keep == 0 {
            self.file.set_len(0)?;
        } else {
            make_room(&config.path, config.keep)?;
            self.file = open_locked(&config.path)?;
        }
        (self.length, self.is_torn) = (0, false);
        Ok(())
    }
}

pub(crate) fn open_locked(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    let file = options.open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(io::Error::new(io::ErrorKind::ResourceBusy, "another log writes to this file"))
        }
        Err(TryLockError::Error(fault)) => Err(fault),
    }
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::map::SafeMap;
    use crate::schema::Schema;

    fn record(at: u64) -> AuditRecord {
        AuditRecord { at, ..SafeMap::new(Schema::open()).audit() }
    }

    /// The times of the records in a file, and how many lines are none.
    fn times(path: &Path) -> (Vec<u64>, usize) {
        let (records, damaged) = AuditRecord::parse_lines(&fs::read_to_string(path).unwrap());
        (records.iter().map(|record| record.at).collect(), damaged)
    }

    #[test]
    fn a_full_file_makes_room_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audits.jsonl");
        let room = 2 * record(1).to_line().len() as u64;
        let log = AuditLog::new(&path).max_bytes(room).keep(2).open().unwrap();
        for at in 1..=9 {
            log.append(&record(at)).unwrap();
        }
        assert_eq!(times(&path), (vec![9], 0));
        assert_eq!(times(&folder.path().join("audits.jsonl.1")), (vec![7, 8], 0));
        assert_eq!(times(&folder.path().join("audits.jsonl.2")), (vec![5, 6], 0));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn room_that_was_made_is_not_made_again_while_no_file_can_be_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audits.jsonl");
        for number in 1..=3 {
            fs::write(beside(&path, &number.to_string()), number.to_string()).unwrap();
        }
        fs::write(&path, "0").unwrap();
        for _ in 0..8 {
            make_room(&path, 4).unwrap();
        }
        for number in 1..=4 {
            let held = fs::read_to_string(beside(&path, &number.to_string())).unwrap();
            assert_eq!(held, (number - 1).to_string());
        }
    }

    #[test]
    fn a_line_longer_than_the_file_may_be_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audits.jsonl");
        let log = AuditLog::new(&path).max_bytes(10).keep(0).open().unwrap();
        log.append(&record(1)).unwrap();
        log.append(&record(2)).unwrap();
        assert_eq!(times(&path), (vec![2], 0));
    }

    #[test]
    fn half_a_line_of_a_process_that_died_is_closed_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audits.jsonl");
        fs::write(&path, record(1).to_line() + "{\"map\":\"cut o").unwrap();
        let log = AuditLog::new(&path).open().unwrap();
        log.append(&record(2)).unwrap();
        log.append(&record(3)).unwrap();
        assert_eq!(times(&path), (vec![1, 2, 3], 1));
    }

    #[test]
    fn a_file_has_one_log_and_is_free_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audits.jsonl");
        let log = AuditLog::new(&path).open().unwrap();
        let busy = AuditLog::new(&path).open().unwrap_err();
        assert_eq!(busy.kind(), io::ErrorKind::ResourceBusy);
        drop(log);
        AuditLog::new(&path).open().unwrap().append(&record(1)).unwrap();
        assert_eq!(times(&path), (vec![1], 0));
    }

    #[test]
    fn what_can_not_be_written_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audits.jsonl");
        let log = AuditLog::new(&path).open().unwrap();
        log.append(&record(1)).unwrap();
        let good = {
            let mut inner = log.inner.lock().unwrap();
            let full = OpenOptions::new().append(true).open("/dev/full").unwrap();
            std::mem::replace(&mut inner.file, full)
        };
        log.append(&record(2)).unwrap_err();
        log.inner.lock().unwrap().file = good;
        log.append(&record(3)).unwrap();
        assert_eq!(times(&path), (vec![1, 3], 0));
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(AuditLog::new(folder.path().join("none/audits.jsonl")).open().is_err());
    }
}
