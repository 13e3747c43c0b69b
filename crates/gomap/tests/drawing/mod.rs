//! Draws maps into memory, object by object, for the tests of their readers.

use std::collections::BTreeMap;

use tophash_gomap::{
    Allocation, Allocations, Entry, MapLayout, MapReading, MapShape, NotAMap, entries, read_header,
    read_map,
};
use tophash_goruntime::{Field, GoVersion, LayoutTable};
use tophash_memory::{Address, ByteSize, FakeMemory};

/// The header's address in every drawing.
pub(crate) const HEADER: u64 = 0x1000;

pub(crate) fn layout(version: &str) -> MapLayout {
    let version = GoVersion::parse(version).expect("a version");
    let table = LayoutTable::for_version(&version).expect("a table of the version");
    MapLayout::new(&table, &version).expect("a complete table")
}

/// Memory, and which pieces of it are objects of the heap.
#[derive(Clone, Default)]
pub(crate) struct Drawing {
    pub(crate) memory: FakeMemory,
    objects: BTreeMap<u64, Allocation>,
}

impl Drawing {
    /// Adds an object; its slot is as large.
    pub(crate) fn object(&mut self, at: u64, bytes: &[u8]) -> &mut Self {
        self.object_in_slot(at, bytes, bytes.len() as u64)
    }

    /// Adds an object in a slot that is larger.
    pub(crate) fn object_in_slot(&mut self, at: u64, bytes: &[u8], slot: u64) -> &mut Self {
        let mut padded = bytes.to_vec();
        padded.resize(slot as usize, 0);
        self.stack(at, &padded);
        let (start, size) = (Address::new(at), ByteSize::new(slot));
        self.objects.insert(at, Allocation { start, usable: size, slot: size });
        self
    }

    pub(crate) fn words(&mut self, at: u64, words: &[u64]) -> &mut Self {
        self.object(at, &words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>())
    }

    /// Adds bytes that are no object of the heap.
    pub(crate) fn stack(&mut self, at: u64, bytes: &[u8]) -> &mut Self {
        let memory = std::mem::take(&mut self.memory);
        self.memory = memory.with_bytes(Address::new(at), bytes);
        self
    }

    /// Reads the map at [`HEADER`]: from memory that lends its bytes and from one that does not.
    pub(crate) fn read(&self, layout: &MapLayout, shape: &MapShape) -> Result<MapReading, NotAMap> {
        let read = |memory: &FakeMemory| {
            let header = read_header(memory, layout, Address::new(HEADER))?;
            read_map(memory, self, layout, shape, &header)
        };
        let copied = read(&self.memory);
        assert_eq!(copied, read(&self.memory.clone().lending()));
        copied
    }

    /// The entries of the map at [`HEADER`], a sample of them where a count is given.
    pub(crate) fn entries(
        &self,
        layout: &MapLayout,
        shape: &MapShape,
        sample: Option<u64>,
    ) -> Vec<Entry> {
        let header = read_header(&self.memory, layout, Address::new(HEADER)).expect("a header");
        let all = entries(&self.memory, layout, shape, &header);
        let all = match sample {
            Some(count) => all.sampled(count),
            None => all,
        };
        all.map(|entry| entry.expect("it can be read")).collect()
    }
}

impl Allocations for Drawing {
    fn allocation_holding(&self, at: Address) -> Option<Allocation> {
        let (start, allocation) = self.objects.range(..=at.get()).next_back()?;
        (at.get() - start < allocation.slot.get()).then_some(*allocation)
    }
}

/// Writes the fields of a struct.
pub(crate) fn structure(size: ByteSize, fields: &[(Field, u64)]) -> Vec<u8> {
    let mut bytes = vec![0; size.get() as usize];
    for (field, value) in fields {
        let at = field.offset as usize;
        let len = field.size as usize;
        bytes[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
    }
    bytes
}
