//! A running map on a heap of its own, set up as the Go programs set up theirs.

use std::sync::Arc;

use tophash_gomap::{
    AesHash, BumpHeap, ClassicHeader, GoType, Header, Heap, MapReading, MapType, MemoryHash,
    RunningMap, SwissHeader, read_header, read_map,
};
use tophash_memory::{Address, Arena, ByteSize};

use super::release::{ExperimentError, GoRelease};

/// Address space of a simulated heap: reserved, and used as far as maps need it.
const ROOM: ByteSize = ByteSize::new(1 << 33);
/// What random numbers follow from, so that every run of an experiment gives the same figures.
const SEED: u64 = 0x7091_4a54;

/// The experiments' keys: numbers that look random and are the same on both sides.
pub(super) fn key(i: u64) -> u64 {
    let mut x = i.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x632b_e59b_d9b4_e019);
    x ^= x >> 32;
    x = x.wrapping_mul(0xd6e8_feb8_6659_fd93);
    x ^= x >> 32;
    x >> 1
}

/// Type `int`.
pub(super) const INT: GoType = GoType::Integer(8);

/// The hash of a process.
pub(super) fn process_hash() -> Option<MemoryHash> {
    let schedule = std::array::from_fn(|at| (at * 83 + 29) as u8 | 1);
    AesHash::new(&schedule).map(MemoryHash::Aes)
}

/// A map and its heap.
#[derive(Debug)]
pub(super) struct Rig {
    pub(super) heap: BumpHeap,
    pub(super) map: RunningMap,
    elem: Vec<u8>,
}

impl Rig {
    /// Makes a map[int]int for `hint` entries.
    pub(super) fn ints(release: &GoRelease, hint: u64) -> Result<Self, ExperimentError> {
        Self::of(release, INT, INT, hint, SEED)
    }

    /// The same with `n` entries in it.
    pub(super) fn filled(release: &GoRelease, n: u64, hint: u64) -> Result<Self, ExperimentError> {
        let mut rig = Self::ints(release, hint)?;
        rig.fill(0..n)?;
        Ok(rig)
    }

    /// Makes a map of any type.
    pub(super) fn of(
        release: &GoRelease,
        key: GoType,
        elem: GoType,
        hint: u64,
        seed: u64,
    ) -> Result<Self, ExperimentError> {
        let hash = process_hash().ok_or(ExperimentError::Absent { what: "hash" })?;
        let size = usize::try_from(elem.size()).unwrap_or(0);
        let ty = MapType::new(release.maps(), key, elem, hash)?;
        let mut heap = BumpHeap::new(release.maps(), ROOM, seed)?.tracking();
        let map = RunningMap::new(Arc::new(ty), &mut heap, hint)?;
        Ok(Self { heap, map, elem: vec![0; size] })
    }

    /// Assigns a zero elem to the keys of such numbers.
    pub(super) fn fill(&mut self, keys: std::ops::Range<u64>) -> Result<(), ExperimentError> {
        keys.into_iter().try_for_each(|i| self.put(key(i)))
    }

    /// Assigns a zero elem to a key.
    pub(super) fn put(&mut self, key: u64) -> Result<(), ExperimentError> {
        self.map.insert(&mut self.heap, &key.to_le_bytes(), &self.elem)?;
        Ok(())
    }

    /// Assigns a zero elem to a key of any type.
    pub(super) fn put_bytes(&mut self, key: &[u8]) -> Result<(), ExperimentError> {
        self.map.insert(&mut self.heap, key, &self.elem)?;
        Ok(())
    }

    /// Deletes a key.
    pub(super) fn delete(&mut self, key: u64) -> Result<bool, ExperimentError> {
        Ok(self.map.delete(&mut self.heap, &key.to_le_bytes())?)
    }

    /// Bytes that the map owns.
    pub(super) fn live(&self) -> f64 {
        self.heap.counts().live_bytes as f64
    }

    /// Bytes and objects that were ever made.
    pub(super) fn made(&self) -> (f64, f64) {
        let counts = self.heap.counts();
        (counts.made_bytes as f64, counts.made_objects as f64)
    }

    pub(super) fn arena(&self) -> &Arena {
        self.heap.arena()
    }

    /// The map's header, as the reader sees it.
    pub(super) fn header(&self) -> Result<Header, ExperimentError> {
        let layout = self.map.map_type().release().layout();
        read_header(self.heap.arena(), layout, self.map.header())
            .map_err(|_| ExperimentError::Absent { what: "readable header" })
    }

    pub(super) fn classic(&self) -> Result<ClassicHeader, ExperimentError> {
        match self.header()? {
            Header::Classic(header) => Ok(header),
            Header::Swiss(_) => Err(ExperimentError::Absent { what: "buckets" }),
        }
    }

    pub(super) fn swiss(&self) -> Result<SwissHeader, ExperimentError> {
        match self.header()? {
            Header::Swiss(header) => Ok(header),
            Header::Classic(_) => Err(ExperimentError::Absent { what: "groups" }),
        }
    }

    /// The whole map, as the reader sees it.
    pub(super) fn reading(&self) -> Result<MapReading, ExperimentError> {
        let ty = self.map.map_type();
        read_map(self.heap.arena(), &self.heap, ty.release().layout(), ty.shape(), &self.header()?)
            .map_err(|_| ExperimentError::Absent { what: "readable arrays" })
    }

    /// Room for entries; of a classic map, overflow buckets aside.
    pub(super) fn slots(&self) -> Result<u64, ExperimentError> {
        Ok(match self.header()? {
            Header::Classic(header) if header.buckets.is_null() => 0,
            Header::Classic(header) => 8 << header.log2,
            Header::Swiss(header) if header.directory.is_null() => 0,
            Header::Swiss(_) => self.reading()?.slots,
        })
    }

    /// Where the one bucket or group of a small map lies.
    pub(super) fn first_group(&self) -> Result<Address, ExperimentError> {
        Ok(match self.header()? {
            Header::Classic(header) => header.buckets,
            Header::Swiss(header) => header.directory,
        })
    }

    /// Calls `each` with the groups of every table of a Swiss map.
    pub(super) fn groups(&self) -> Result<Vec<Address>, ExperimentError> {
        let header = self.swiss()?;
        let tophash_gomap::MapLayout::Swiss(layout) = self.map.map_type().release().layout() else {
            return Err(ExperimentError::Absent { what: "groups" });
        };
        let size = self.map.map_type().shape().group_size;
        let (mut groups, mut last) = (Vec::new(), Address::NULL);
        for index in 0..header.directory_len {
            let table =
                Address::new(self.arena().word(header.directory + ByteSize::new(8 * index)));
            if table == last {
                continue;
            }
            last = table;
            let start = Address::new(self.arena().word(layout.table_groups.of(table)));
            let mask = self.arena().word(layout.table_length_mask.of(table));
            groups.extend((0..=mask).map(|group| start + ByteSize::new(group * size)));
        }
        Ok(groups)
    }

    /// Lists each bucket's chain, the bucket first, of a classic map.
    pub(super) fn chains(&self) -> Result<Vec<Vec<Address>>, ExperimentError> {
        let header = self.classic()?;
        let size = self.map.map_type().shape().group_size;
        let mut chains = Vec::new();
        for bucket in 0..1_u64 << header.log2 {
            let mut chain = Vec::new();
            let mut at = header.buckets + ByteSize::new(bucket * size);
            while !at.is_null() {
                chain.push(at);
                at = Address::new(self.arena().word(at + ByteSize::new(size - 8)));
            }
            chains.push(chain);
        }
        Ok(chains)
    }

    /// Overflow buckets that are linked.
    pub(super) fn linked(&self) -> Result<u64, ExperimentError> {
        Ok(self.chains()?.iter().map(|chain| chain.len() as u64 - 1).sum())
    }

    /// One byte of the heap.
    pub(super) fn byte(&self, at: Address) -> u8 {
        let [byte] = self.arena().load(at);
        byte
    }
}
