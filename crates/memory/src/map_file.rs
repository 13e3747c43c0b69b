//! Memory-mapping files for reading: the one place that takes the kernel's word for a file's bytes.
#![expect(unsafe_code, reason = "mapping a file is unsafe: it may change under our eyes")]

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use crate::OpenError;

/// Maps a whole file.
pub(crate) fn map_file(path: &Path) -> Result<Mmap, OpenError> {
    let file = File::open(path).map_err(OpenError::file(path))?;
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
