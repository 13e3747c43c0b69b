//! A strict memory for tests: what was not written is not there, and writing twice is a mistake.

use std::collections::BTreeMap;

use crate::{Address, ByteSize, Memory, ReadError};

/// Memory drawn by a test, region by region.
///
/// ```
/// use tophash_memory::{Address, FakeMemory, MemoryExt};
///
/// let memory = FakeMemory::new().with_words(Address::new(0x1000), &[7, 8]);
/// assert_eq!(memory.read_u64(Address::new(0x1008))?, 8);
/// assert!(memory.read_u64(Address::new(0x1010)).is_err());
/// # Ok::<(), tophash_memory::ReadError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct FakeMemory {
    regions: BTreeMap<Address, Vec<u8>>,
    lends: bool,
}

impl FakeMemory {
    /// Makes an empty memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lends bytes out ([`Memory::bytes`]) where a region holds them; else every read is a copy, so
    /// that callers' slow paths are tested.
    #[must_use]
    pub fn lending(mut self) -> Self {
        self.lends = true;
        self
    }

    /// Adds a region.
    ///
    /// # Panics
    ///
    /// Panics where it overlaps another one.
    #[must_use]
    pub fn with_bytes(mut self, at: Address, bytes: &[u8]) -> Self {
        let end = at + ByteSize::new(bytes.len() as u64);
        let overlaps = self
            .regions
            .range(..end)
            .next_back()
            .is_some_and(|(start, other)| *start + ByteSize::new(other.len() as u64) > at);
        assert!(!overlaps, "the region at {at} overlaps another one");
        self.regions.insert(at, bytes.to_vec());
        self
    }

    /// Adds a region of words.
    ///
    /// # Panics
    ///
    /// Panics where it overlaps another one.
    #[must_use]
    pub fn with_words(self, at: Address, words: &[u64]) -> Self {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.with_bytes(at, &bytes)
    }

    /// Overwrites bytes of a region.
    ///
    /// # Panics
    ///
    /// Panics where no region holds them all.
    pub fn poke(&mut self, at: Address, bytes: &[u8]) {
        let (start, region) =
            self.regions.range_mut(..=at).next_back().expect("a region starts at or before");
        let into = (at - *start).get() as usize;
        region[into..into + bytes.len()].copy_from_slice(bytes);
    }

    fn slice(&self, at: Address, len: ByteSize) -> Option<&[u8]> {
        let (start, region) = self.regions.range(..=at).next_back()?;
        let into = (at - *start).to_usize()?;
        region.get(into..into.checked_add(len.to_usize()?)?)
    }
}

impl Memory for FakeMemory {
    fn read(&self, at: Address, buf: &mut [u8]) -> Result<(), ReadError> {
        let len = ByteSize::new(buf.len() as u64);
        buf.copy_from_slice(self.slice(at, len).ok_or(ReadError::Unmapped { at, len })?);
        Ok(())
    }

    fn bytes(&self, at: Address, len: ByteSize) -> Option<&[u8]> {
        self.lends.then(|| self.slice(at, len)).flatten()
    }
}
