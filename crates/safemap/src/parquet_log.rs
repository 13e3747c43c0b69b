//! A file of audit records in Parquet, for tools that read tables (`--features parquet`).
//!
//! A file of Parquet ends with its table of contents, so that nothing can be put at its end. The file is
//! written anew for each record, beside the old one, and takes its place in one step: whoever reads it
//! finds a whole file at any time, also after a crash. That costs a file's length an audit, which is
//! little for audits by the hour; [`AuditLog`](crate::AuditLog) is for those by the second. A full file
//! becomes `NAME.1` as one of that log does. What writes holds a lock on `NAME.lock`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::audit::AuditRecord;
use crate::audit_log::{beside, make_room, open_locked};
use crate::audit_table::ParquetError;

/// Adds audit records to a file of Parquet, and to a new one when that is full.
///
/// ```
/// use tophash_safemap::{AuditRecord, ParquetLog, SafeMap, Schema};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("audits.parquet");
/// let map = SafeMap::new(Schema::open());
/// let log = ParquetLog::new(&path).open()?;
/// log.append(&map.audit())?;
/// assert_eq!(AuditRecord::from_parquet(std::fs::read(&path)?)?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A clone adds to the same file, so that several maps of a process can share one.
#[derive(Clone, Debug)]
pub struct ParquetLog {
    inner: Arc<Mutex<Inner>>,
}

/// Sets a [`ParquetLog`] up; made by [`ParquetLog::new`].
#[derive(Clone, Debug)]
pub struct ParquetLogBuilder {
    path: PathBuf,
    max_records: usize,
    keep: u32,
}

#[derive(Debug)]
struct Inner {
    config: ParquetLogBuilder,
    records: Vec<AuditRecord>,
    _lock: File,
}

impl ParquetLog {
    /// Starts to set a log up at a path.
    #[expect(clippy::new_ret_no_self, reason = "the path alone does not open the file")]
    pub fn new(path: impl Into<PathBuf>) -> ParquetLogBuilder {
        ParquetLogBuilder { path: path.into(), max_records: 1000, keep: 4 }
    }

    /// Adds a record.
    ///
    /// # Errors
    ///
    /// Fails when the system does. The file is as it was then, and the next record can be added.
    pub fn append(&self, record: &AuditRecord) -> io::Result<()> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).append(record)
    }
}

impl ParquetLogBuilder {
    /// How many records a file has at most; a thousand unless said, which are some hundred kilobytes.
    #[must_use]
    pub fn max_records(mut self, records: usize) -> Self {
        self.max_records = records.max(1);
        self
    }

    /// How many full files are kept beside the one that is written; four unless said.
    #[must_use]
    pub fn keep(mut self, files: u32) -> Self {
        self.keep = files;
        self
    }

    /// Opens the file, to go on with what it holds, or makes one with the first record.
    ///
    /// # Errors
    ///
    /// Fails when the system does, when another log has the file open, and when there is a file that
    /// is none of audits.
    pub fn open(self) -> io::Result<ParquetLog> {
        let lock = open_locked(&beside(&self.path, "lock"))?;
        let records = match fs::read(&self.path) {
            Ok(file) => AuditRecord::from_parquet(file).map_err(other)?,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(fault) => return Err(fault),
        };
        let inner = Inner { config: self, records, _lock: lock };
        Ok(ParquetLog { inner: Arc::new(Mutex::new(inner)) })
    }
}

impl Inner {
    fn append(&mut self, record: &AuditRecord) -> io::Result<()> {
        if self.records.len() >= self.config.max_records {
            make_room(&self.config.path, self.config.keep)?;
            self.records.clear();
        }
        self.records.push(record.clone());
        let written = self.write();
        if written.is_err() {
            self.records.pop();
        }
        written
    }

    fn write(&self) -> io::Result<()> {
        let draft = beside(&self.config.path, "draft");
        let mut out = BufWriter::new(create(&draft)?);
        AuditRecord::write_parquet(&self.records, &mut out).map_err(other)?;
        out.flush()?;
        // What takes the other's place has to be there.
        out.get_ref().sync_all()?;
        fs::rename(&draft, &self.config.path)
    }
}

fn create(path: &std::path::Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    options.open(path)
}

fn other(fault: ParquetError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::map::SafeMap;
    use crate::schema::Schema;

    fn record(at: u64) -> AuditRecord {
        AuditRecord { at, ..SafeMap::new(Schema::open()).audit() }
    }

    fn times(path: &Path) -> Vec<u64> {
        let records = AuditRecord::from_parquet(fs::read(path).unwrap()).unwrap();
        records.iter().map(|record| record.at).collect()
    }

    #[test]
    fn a_file_goes_on_where_it_was_and_makes_room_when_it_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audits.parquet");
        let open = || ParquetLog::new(&path).max_records(2).keep(2).open().unwrap();
        for at in 1..=7 {
            // Each time anew, as after a restart.
            open().append(&record(at)).unwrap();
        }
        assert_eq!(times(&path), [7]);
        assert_eq!(times(&folder.path().join("audits.parquet.1")), [5, 6]);
        assert_eq!(times(&folder.path().join("audits.parquet.2")), [3, 4]);
        assert!(!folder.path().join("audits.parquet.3").exists());
    }

    #[test]
    fn a_file_has_one_log_and_what_is_none_of_audits_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audits.parquet");
        let log = ParquetLog::new(&path).open().unwrap();
        let busy = ParquetLog::new(&path).open().unwrap_err();
        assert_eq!(busy.kind(), io::ErrorKind::ResourceBusy);
        drop(log);
        fs::write(&path, "somebody's text").unwrap();
        assert!(ParquetLog::new(&path).open().is_err());
        assert_eq!(fs::read(&path).unwrap(), b"somebody's text");
    }

    #[test]
    fn a_record_that_can_not_be_written_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audits.parquet");
        let log = ParquetLog::new(&path).open().unwrap();
        log.append(&record(1)).unwrap();
        // A folder stands where the new file would be written.
        let draft = folder.path().join("audits.parquet.draft");
        fs::create_dir(&draft).unwrap();
        log.append(&record(2)).unwrap_err();
        assert_eq!(times(&path), [1]);
        fs::remove_dir(&draft).unwrap();
        log.append(&record(3)).unwrap();
        assert_eq!(times(&path), [1, 3]);
    }
}
