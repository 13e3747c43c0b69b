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

/// Expands a file and maps the result.
pub(crate) fn expand(path: &Path) -> Result<Mmap, OpenError> {
    let fault = || OpenError::file(path);
    let source = File::open(path).map_err(fault())?;
    let mut decoder = zstd::Decoder::new(source).map_err(fault())?;
    let mut out = tempfile::tempfile().map_err(fault())?;
    let mut piece = vec![0; PIECE];
    let mut len: u64 = 0;
    loop {
        let read = fill(&mut decoder, &mut piece).map_err(fault())?;
        if read == 0 {
            break;
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
    map(&out).map_err(fault())
}

/// Reads until the buffer is full or the input ends.
fn fill(source: &mut impl Read, buf: &mut [u8]) -> std::io::Result<usize> {
    let mut have = 0;
    while have < buf.len() {
        match source.read(&mut buf[have..])? {
            0 => break,
            read => have += read,
        }
    }
    Ok(have)
}
