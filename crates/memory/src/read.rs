//! The [`Memory`] trait: the one seam through which all of tophash reads a target.
//!
//! A core, a frozen process, a running one, a test's drawing of memory and the executable model
//! all implement it, so that one map reader serves them all. There is one required method.
//! [`Memory::bytes`] is an optional short cut for implementations that hold the target's bytes in
//! one piece; callers must work without it. Typed reads live in [`MemoryExt`].
//!
//! All targets are little-endian (amd64 and arm64 are).

use std::borrow::Cow;

use crate::{Address, ByteSize};

/// Why bytes of the target could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The target maps nothing there.
    #[error("no memory is mapped at {at} ({len} wanted)")]
    Unmapped {
        /// The first address that could not be read.
        at: Address,
        /// How many bytes were wanted.
        len: ByteSize,
    },
    /// The target maps something there, but the source does not hold the bytes (a truncated core,
    /// or a file-backed page whose file is missing).
    #[error("the bytes at {at} are mapped in the target but missing from the input ({len} wanted)")]
    Missing {
        /// The first address whose byte is missing.
        at: Address,
        /// How many bytes were wanted.
        len: ByteSize,
    },
    /// More bytes were asked for at once than a sound target can need.
    #[error("a read of {len} at {at} is over the limit of {limit}")]
    TooLong {
        /// Where the read would have started.
        at: Address,
        /// How many bytes were wanted.
        len: ByteSize,
        /// The most that one read may ask for.
        limit: ByteSize,
    },
    /// The process went away while it was read.
    #[error("the process ended while it was read (at {at})")]
    ProcessGone {
        /// Where the read was.
        at: Address,
    },
}

/// A target's memory, read by address.
pub trait Memory: Send + Sync {
    /// Fills `buf` with the bytes at `at`.
    ///
    /// # Errors
    ///
    /// Fails where any byte of the range can't be had; `buf` is then in no particular state.
    fn read(&self, at: Address, buf: &mut [u8]) -> Result<(), ReadError>;

    /// Returns `len` bytes at `at` without copying, where this implementation holds them in one
    /// piece. `None` says nothing about whether [`Memory::read`] would succeed.
    fn bytes(&self, at: Address, len: ByteSize) -> Option<&[u8]> {
        let _ = (at, len);
        None
    }

    /// Hears that the caller is done with these bytes for now, so that what was taken up for them
    /// can be given back. They can be read again.
    fn done_with(&self, at: Address, len: ByteSize) {
        let _ = (at, len);
    }
}

/// The most that one [`MemoryExt::read_bytes`] may copy: larger than any single table or span that
/// a sound Go program holds, small enough that a hostile length does no harm.
pub const READ_LIMIT: ByteSize = ByteSize::new(1 << 36);

/// Typed reads over any [`Memory`].
pub trait MemoryExt: Memory {
    /// Reads one byte.
    ///
    /// # Errors
    ///
    /// As [`Memory::read`].
    fn read_u8(&self, at: Address) -> Result<u8, ReadError> {
        let mut buf = [0; 1];
        self.read(at, &mut buf)?;
        Ok(buf[0])
    }

    /// Reads a little-endian `u16`.
    ///
    /// # Errors
    ///
    /// As [`Memory::read`].
    fn read_u16(&self, at: Address) -> Result<u16, ReadError> {
        let mut buf = [0; 2];
        self.read(at, &mut buf)?;
        Ok(u16::from_le_bytes(buf))
    }

    /// Reads a little-endian `u32`.
    ///
    /// # Errors
    ///
    /// As [`Memory::read`].
    fn read_u32(&self, at: Address) -> Result<u32, ReadError> {
        let mut buf = [0; 4];
        self.read(at, &mut buf)?;
        Ok(u32::from_le_bytes(buf))
    }

    /// Reads a little-endian `u64`.
    ///
    /// # Errors
    ///
    /// As [`Memory::read`].
    fn read_u64(&self, at: Address) -> Result<u64, ReadError> {
        let mut buf = [0; 8];
        self.read(at, &mut buf)?;
        Ok(u64::from_le_bytes(buf))
    }

    /// Reads a pointer.
    ///
    /// # Errors
    ///
    /// As [`Memory::read`].
    fn read_address(&self, at: Address) -> Result<Address, ReadError> {
        self.read_u64(at).map(Address::new)
    }

    /// Reads `len` bytes, borrowed where the implementation allows it.
    ///
    /// The length is checked against what is mapped before the buffer grows: memory is taken in
    /// pieces as the reads succeed, so a hostile length costs no more than the target maps.
    ///
    /// # Errors
    ///
    /// As [`Memory::read`], and [`ReadError::TooLong`] over [`READ_LIMIT`].
    fn read_bytes(&self, at: Address, len: ByteSize) -> Result<Cow<'_, [u8]>, ReadError> {
        const PIECE: usize = 1 << 20;
        if let Some(bytes) = self.bytes(at, len) {
            return Ok(Cow::Borrowed(bytes));
        }
        let total = match len.to_usize() {
            Some(total) if len <= READ_LIMIT => total,
            _ => return Err(ReadError::TooLong { at, len, limit: READ_LIMIT }),
        };
        let mut out = Vec::new();
        while out.len() < total {
            let have = out.len();
            let piece = (total - have).min(PIECE);
            out.resize(have + piece, 0);
            self.read(at + ByteSize::new(have as u64), &mut out[have..])?;
        }
        Ok(Cow::Owned(out))
    }
}

impl<M: Memory + ?Sized> MemoryExt for M {}

impl<M: Memory + ?Sized> Memory for &M {
    fn read(&self, at: Address, buf: &mut [u8]) -> Result<(), ReadError> {
        (**self).read(at, buf)
    }

    fn bytes(&self, at: Address, len: ByteSize) -> Option<&[u8]> {
        (**self).bytes(at, len)
    }

    fn done_with(&self, at: Address, len: ByteSize) {
        (**self).done_with(at, len);
    }
}
