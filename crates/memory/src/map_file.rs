//! Memory-mapping files for reading: the one place that takes the kernel's word for a file's bytes.
#![expect(unsafe_code, reason = "mapping a file is unsafe: it may change under our eyes")]

use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;

use memmap2::{Mmap, UncheckedAdvice};

use crate::OpenError;

/// Maps a whole file.
pub(crate) fn map_file(path: &Path) -> Result<Mmap, OpenError> {
    let file = File::open(path).map_err(OpenError::file(path))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(OpenError::file(path)(ErrorKind::IsADirectory.into()));
    }
    map(&file).map_err(OpenError::file(path))
}

/// Maps an open file.
pub(crate) fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the map is only read. Cores and executables are not written to while they are
    // analysed; one that is cut short meanwhile ends the tool by SIGBUS, which holds no lock on the
    // target and leaves no state behind. Contents that change are no worse than hostile ones,
    // against which every reader checks.
    unsafe { Mmap::map(file) }
}

/// Bytes of a page on amd64.
const PAGE: usize = 4096;

/// Gives the whole pages of a range back to the kernel, which reads them from the file again if they
/// are wanted again.
pub(crate) fn release(map: &Mmap, range: Range<usize>) {
    let start = range.start.next_multiple_of(PAGE);
    let end = range.end.min(map.len()) / PAGE * PAGE;
    if start < end {
        // SAFETY: the map is of a file, is never written to, and so holds what the file holds: a
        // page that is dropped and read again has the same bytes, for whoever borrows them.
        let _ =
            unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, start, end - start) };
    }
}
