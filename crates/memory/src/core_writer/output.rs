//! Where a core goes: a file with holes, or a compressed stream. Both are written front to back.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write};

use super::ZEROS;

/// How hard zstd tries: its own default, which keeps up with most disks.
const LEVEL: i32 = 3;

pub(super) trait Output: Write {
    /// Writes zeros.
    fn skip(&mut self, zeros: u64) -> io::Result<()>;

    /// Writes out what is held back, and makes sure that it is on the disk.
    fn finish(self) -> io::Result<()>;
}

/// A file in which zeros are holes.
pub(super) struct FileOutput<'f> {
    file: &'f File,
    len: u64,
}

impl<'f> FileOutput<'f> {
    pub(super) fn new(file: &'f File) -> Self {
        Self { file, len: 0 }
    }
}

impl Write for FileOutput<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.file.write(buf)?;
        self.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Output for FileOutput<'_> {
    fn skip(&mut self, zeros: u64) -> io::Result<()> {
        if zeros > 0 {
            self.len += zeros;
            self.file.seek(SeekFrom::Start(self.len))?;
        }
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        self.file.set_len(self.len)?;
        // A disk that is full or broken may say so only now.
        self.file.sync_all()
    }
}

/// A stream of zstd, which makes next to nothing of zeros.
pub(super) struct CompressedOutput<'f> {
    encoder: zstd::Encoder<'static, &'f File>,
}

impl<'f> CompressedOutput<'f> {
    pub(super) fn new(file: &'f File) -> io::Result<Self> {
        let mut encoder = zstd::Encoder::new(file, LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Self { encoder })
    }
}

impl Write for CompressedOutput<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.encoder.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

impl Output for CompressedOutput<'_> {
    fn skip(&mut self, zeros: u64) -> io::Result<()> {
        let mut rest = zeros;
        while rest > 0 {
            let now = rest.min(ZEROS.len() as u64);
            self.encoder.write_all(&ZEROS[..now as usize])?;
            rest -= now;
        }
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        self.encoder.finish()?.sync_all()
    }
}
