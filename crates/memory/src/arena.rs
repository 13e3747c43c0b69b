//! Memory of our own with addresses of the target's kind: where the executable maps and the model's
//! heap keep their objects.
//!
//! One anonymous mapping stands for one range of addresses. It is reserved whole and never moves;
//! the kernel provides a page when it is first written to, so that what is reserved and not used
//! costs nothing. Fresh pages read as zeros.
//!
//! Reads and writes of words panic outside of the arena: whoever runs a map in an arena made every
//! address in it, so a bad one is a fault of ours and not of any input. [`Memory`] reports it as it
//! does for any target.

use std::io;

use memmap2::{Advice, MmapMut, MmapOptions};

use crate::{Address, AddressRange, ByteSize, Memory, ReadError};

/// Where Go's first heap arena starts on amd64 (`mallocinit`, `runtime/malloc.go`).
const GO_HEAP: Address = Address::new(0xc0_0000_0000);

/// A range of addresses whose bytes can be written.
#[derive(Debug)]
pub struct Arena {
    range: AddressRange,
    bytes: MmapMut,
}

impl Arena {
    /// Reserves an arena of so many bytes where Go's heap starts.
    ///
    /// # Errors
    ///
    /// Fails where the system refuses that much address space.
    pub fn new(size: ByteSize) -> io::Result<Self> {
        let len = size.to_usize().filter(|len| *len > 0).ok_or(io::ErrorKind::InvalidInput)?;
        let bytes = MmapOptions::new().len(len).no_reserve_swap().map_anon()?;
        // Go asks for huge pages, too. Without them the arena is slower and just as right.
        let _ = bytes.advise(Advice::HugePage);
        Ok(Self { range: AddressRange::from_size(GO_HEAP, size), bytes })
    }

    /// Returns the addresses that the arena stands for.
    pub fn range(&self) -> AddressRange {
        self.range
    }

    /// Returns `len` bytes.
    ///
    /// # Panics
    ///
    /// Outside of the arena.
    #[inline(always)]
    pub fn slice(&self, at: Address, len: usize) -> &[u8] {
        let bytes = self.bytes.get(offset(at)..).and_then(|bytes| bytes.get(..len));
        bytes.unwrap_or_else(|| outside(at, len))
    }

    /// Returns `len` bytes to write to.
    ///
    /// # Panics
    ///
    /// Outside of the arena.
    #[inline(always)]
    pub fn slice_mut(&mut self, at: Address, len: usize) -> &mut [u8] {
        let bytes = self.bytes.get_mut(offset(at)..).and_then(|bytes| bytes.get_mut(..len));
        bytes.unwrap_or_else(|| outside(at, len))
    }

    /// Returns `N` bytes without copying them.
    ///
    /// # Panics
    ///
    /// Outside of the arena.
    #[inline(always)]
    pub fn array<const N: usize>(&self, at: Address) -> &[u8; N] {
        let bytes = self.bytes.get(offset(at)..).and_then(|bytes| bytes.first_chunk());
        bytes.unwrap_or_else(|| outside(at, N))
    }

    /// Returns `N` bytes.
    ///
    /// # Panics
    ///
    /// Outside of the arena.
    #[inline(always)]
    pub fn load<const N: usize>(&self, at: Address) -> [u8; N] {
        *self.array(at)
    }

    /// Writes `N` bytes.
    ///
    /// # Panics
    ///
    /// Outside of the arena.
    #[inline(always)]
    pub fn store<const N: usize>(&mut self, at: Address, bytes: [u8; N]) {
        let place = self.bytes.get_mut(offset(at)..).and_then(|bytes| bytes.first_chunk_mut());
        *place.unwrap_or_else(|| outside(at, N)) = bytes;
    }

    /// Reads a word.
    ///
    /// # Panics
    ///
    /// Outside of the arena.
    #[inline(always)]
    pub fn word(&self, at: Address) -> u64 {
        u64::from_le_bytes(self.load(at))
    }

    /// Writes a word.
    ///
    /// # Panics
    ///
    /// Outside of the arena.
    #[inline(always)]
    pub fn set_word(&mut self, at: Address, word: u64) {
        self.store(at, word.to_le_bytes());
    }

    /// Copies `len` bytes from one place to another; they may overlap.
    ///
    /// # Panics
    ///
    /// Outside of the arena.
    #[inline(always)]
    pub fn copy(&mut self, from: Address, to: Address, len: usize) {
        let from = offset(from);
        self.bytes.copy_within(from..from.saturating_add(len), offset(to));
    }
}

/// The distance from the arena's start; beyond any end for addresses before it.
#[inline(always)]
fn offset(at: Address) -> usize {
    at.get().wrapping_sub(GO_HEAP.get()) as usize
}

#[cold]
#[inline(never)]
fn outside(at: Address, len: usize) -> ! {
    panic!("{len} bytes at {at} are not in the arena")
}

impl Memory for Arena {
    fn read(&self, at: Address, buf: &mut [u8]) -> Result<(), ReadError> {
        let len = ByteSize::new(buf.len() as u64);
        let bytes = self.bytes(at, len).ok_or(ReadError::Unmapped { at, len })?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn bytes(&self, at: Address, len: ByteSize) -> Option<&[u8]> {
        let start = at.checked_offset_from(self.range.start())?.to_usize()?;
        self.bytes.get(start..start.checked_add(len.to_usize()?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryExt;

    #[test]
    fn what_is_written_is_read_and_the_rest_is_zero() {
        let mut arena = Arena::new(ByteSize::new(1 << 40)).unwrap();
        let at = arena.range().start() + ByteSize::new(1 << 39);
        arena.set_word(at, 7);
        assert_eq!(arena.word(at), 7);
        assert_eq!(arena.read_u64(at + ByteSize::new(8)), Ok(0));
        arena.copy(at, at + ByteSize::new(4), 8);
        assert_eq!(arena.load::<12>(at), [7, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn reads_outside_are_refused() {
        let arena = Arena::new(ByteSize::new(4096)).unwrap();
        let last = arena.range().end() - ByteSize::new(4);
        assert!(arena.read_u64(last).is_err());
        assert!(arena.read_u64(Address::new(8)).is_err());
        assert!(Arena::new(ByteSize::ZERO).is_err());
    }
}
