//! Cores compressed with zstd: expanded into an unlinked temporary file, with holes for zeros.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use memmap2::Mmap;

use crate::OpenError;
use crate::map_file::map;

/// A core expands to no more than this; most of a large one are holes.
const LIMIT_GIB: u64 = 1024;
/// Zeros are skipped in pieces of this size.
const PIECE: usize = 64 << 10;

/// What a compressed core expands to.
pub(crate) struct Expanded {
    pub(crate) data: Mmap,
    /// Why the rest could not be expanded, where the file was cut off or damaged.
    pub(crate) fault: Option<String>,
}

/// Expands a file and maps the result. Of a file that is cut off or damaged, what comes before the
/// damage is kept.
pub(crate) fn expand(path: &Path) -> Result<Expanded, OpenError> {
    let fault = || OpenError::file(path);
    let source = File::open(path).map_err(fault())?;
    let mut decoder = zstd::Decoder::new(source).map_err(fault())?;
    let mut out = tempfile::tempfile().map_err(fault())?;
    let mut piece = vec![0; PIECE];
    let mut len: u64 = 0;
    let mut damage = None;
    while damage.is_none() {
        let (read, error) = fill(&mut decoder, &mut piece);
        match error {
            Some(error) if len == 0 && read == 0 => return Err(fault()(error)),
            Some(error) => {
                damage = Some(format!(
                    "{} is cut off or damaged: it expands to {} MiB, then: {error}",
                    path.display(),
                    (len + read as u64) >> 20
                ));
            }
            None if read == 0 => break,
            None => {}
        }
        len += read as u64;
        if len > LIMIT_GIB << 30 {
            return Err(OpenError::TooLarge { path: path.to_owned(), limit_gib: LIMIT_GIB });
        }
        let taken = &piece[..read];
        if taken.iter().all(|byte| *byte == 0) {
            out.seek(SeekFrom::Current(read as i64)).map_err(fault())?;
        } else {
            out.write_all(taken).map_err(fault())?;
        }
    }
    out.set_len(len).map_err(fault())?;
    Ok(Expanded { data: map(&out).map_err(fault())?, fault: damage })
}

/// Reads until the buffer is full, the input ends, or a fault: returns how much was read, also then.
fn fill(source: &mut impl Read, buf: &mut [u8]) -> (usize, Option<std::io::Error>) {
    let mut have = 0;
    while have < buf.len() {
        match source.read(&mut buf[have..]) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(error) => return (have, Some(error)),
        }
    }
    (have, None)
}
