//! A target's memory put together from pieces: bytes of a core, of the executable, of a snapshot;
//! pages that were never touched; and pages that are known to be missing.
//!
//! Regions are sorted and do not overlap. Neighbours that are also neighbours in their store are
//! one region, so that a span of Go's heap can be borrowed in one piece. The objects and frames of
//! a heap dump, which are millions and neighbours in no store, are kept apart as [`Pieces`].

use std::ops::{Deref, Range};
use std::sync::Arc;

use memmap2::{Mmap, MmapMut};

use crate::map_file::release;
use crate::pieces::Pieces;
use crate::{Address, AddressRange, ByteSize, Memory, ReadError};

/// Bytes that regions take theirs from.
pub(crate) enum Store {
    /// A file.
    File(Arc<Mmap>),
    /// A copy.
    Copy(MmapMut),
}

impl Deref for Store {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::File(map) => map,
            Self::Copy(map) => map,
        }
    }
}

/// Where a region's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backing {
    /// In a store, from an offset on.
    Store { index: usize, offset: usize },
    /// Nowhere: all zero.
    Zero,
    /// Lost.
    Missing,
}

#[derive(Debug, Clone, Copy)]
struct Region {
    range: AddressRange,
    backing: Backing,
}

/// The memory.
#[derive(Default)]
pub(crate) struct Image {
    stores: Vec<Store>,
    regions: Vec<Region>,
    pieces: Vec<(usize, Arc<Pieces>)>,
}

impl Image {
    /// Adds a store and returns its index.
    pub(crate) fn add_store(&mut self, store: Store) -> usize {
        self.stores.push(store);
        self.stores.len() - 1
    }

    /// Adds a region; where it overlaps an earlier one, the earlier one stays.
    pub(crate) fn add(&mut self, range: AddressRange, backing: Backing) {
        let mut start = range.start();
        let first = self.regions.partition_point(|region| region.range.end() <= start);
        let mut added = Vec::new();
        for region in &self.regions[first..] {
            if region.range.start() >= range.end() {
                break;
            }
            if start < region.range.start() {
                added.push(AddressRange::new(start, region.range.start()));
            }
            start = region.range.end();
        }
        if start < range.end() {
            added.push(AddressRange::new(start, range.end()));
        }
        for piece in added {
            let backing = match backing {
                Backing::Store { index, offset } => {
                    let into = (piece.start() - range.start()).get() as usize;
                    Backing::Store { index, offset: offset.saturating_add(into) }
                }
                other => other,
            };
            let at = self.regions.partition_point(|r| r.range.start() < piece.start());
            self.regions.insert(at, Region { range: piece, backing });
        }
    }

    /// Joins neighbours.
    pub(crate) fn finish(&mut self) {
        self.regions.dedup_by(|next, region| {
            let len = region.range.size().get() as usize;
            let is_next = next.range.start() == region.range.end()
                && match (region.backing, next.backing) {
                    (
                        Backing::Store { index, offset },
                        Backing::Store { index: other, offset: after },
                    ) => index == other && offset + len == after,
                    (mine, other) => mine == other,
                };
            if is_next {
                region.range = AddressRange::new(region.range.start(), next.range.end());
            }
            is_next
        });
    }

    /// Adds pieces of a store; where they overlap a region, the region stays.
    pub(crate) fn add_pieces(&mut self, store: usize, pieces: Arc<Pieces>) {
        self.pieces.push((store, pieces));
    }

    fn region(&self, at: Address) -> Option<Region> {
        let after = self.regions.partition_point(|region| region.range.start() <= at);
        let region = after.checked_sub(1).and_then(|index| self.regions.get(index)).copied();
        region.filter(|region| region.range.contains(at)).or_else(|| self.piece(at))
    }

    fn piece(&self, at: Address) -> Option<Region> {
        self.pieces.iter().find_map(|(index, pieces)| {
            let piece = pieces.holding(at)?;
            let backing = Backing::Store { index: *index, offset: piece.offset };
            Some(Region { range: piece.range(), backing })
        })
    }

    /// Returns the store and the bytes of it that hold a range.
    fn stored(&self, range: AddressRange) -> Option<(usize, Range<usize>)> {
        let held = self.pieces.iter().find_map(|(index, pieces)| {
            pieces.holding(range.start())?;
            Some((*index, pieces.file_range(range)?))
        });
        if held.is_some() {
            return held;
        }
        let region = self.region(range.start())?;
        let Backing::Store { index, offset } = region.backing else { return None };
        let start = offset + (range.start() - region.range.start()).get() as usize;
        let len = (range.end().min(region.range.end()) - range.start()).get() as usize;
        Some((index, start..start.saturating_add(len)))
    }
}

impl Memory for Image {
    fn read(&self, at: Address, buf: &mut [u8]) -> Result<(), ReadError> {
        let len = ByteSize::new(buf.len() as u64);
        let mut at = at;
        let mut rest = buf;
        while !rest.is_empty() {
            let Some(region) = self.region(at) else { return Err(ReadError::Unmapped { at, len }) };
            let into = (at - region.range.start()).get() as usize;
            let taken = rest.len().min((region.range.end() - at).get() as usize);
            let (now, later) = rest.split_at_mut(taken);
            match region.backing {
                Backing::Store { index, offset } => {
                    let bytes = self.stores[index]
                        .get(offset + into..offset + into + taken)
                        .ok_or(ReadError::Missing { at, len })?;
                    now.copy_from_slice(bytes);
                }
                Backing::Zero => now.fill(0),
                Backing::Missing => return Err(ReadError::Missing { at, len }),
            }
            at = at + ByteSize::new(taken as u64);
            rest = later;
        }
        Ok(())
    }

    fn bytes(&self, at: Address, len: ByteSize) -> Option<&[u8]> {
        let region = self.region(at)?;
        let Backing::Store { index, offset } = region.backing else { return None };
        if at + len > region.range.end() {
            return None;
        }
        let start = offset + (at - region.range.start()).get() as usize;
        self.stores[index].get(start..start.checked_add(len.to_usize()?)?)
    }

    fn done_with(&self, at: Address, len: ByteSize) {
        let Some((index, range)) = self.stored(AddressRange::from_size(at, len)) else { return };
        // A copy has nowhere to read the bytes from again.
        if let Store::File(file) = &self.stores[index] {
            release(file, range);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> AddressRange {
        AddressRange::new(Address::new(start), Address::new(end))
    }

    fn store(bytes: &[u8]) -> Store {
        let mut map = MmapMut::map_anon(bytes.len()).unwrap();
        map.copy_from_slice(bytes);
        Store::Copy(map)
    }

    #[test]
    fn the_first_region_wins_where_two_overlap() {
        let mut image = Image::default();
        let index = image.add_store(store(b"abcdefgh"));
        image.add(range(4, 6), Backing::Store { index, offset: 0 });
        image.add(range(2, 8), Backing::Zero);
        image.finish();
        let mut buf = [9; 6];
        image.read(Address::new(2), &mut buf).unwrap();
        assert_eq!(&buf, b"\0\0ab\0\0");
    }

    #[test]
    fn neighbours_in_address_and_store_are_borrowed_as_one() {
        let mut image = Image::default();
        let index = image.add_store(store(b"abcdefgh"));
        image.add(range(0x10, 0x14), Backing::Store { index, offset: 0 });
        image.add(range(0x14, 0x18), Backing::Store { index, offset: 4 });
        image.finish();
        let bytes = image.bytes(Address::new(0x12), ByteSize::new(4));
        assert_eq!(bytes, Some(&b"cdef"[..]));
    }

    #[test]
    fn missing_and_unmapped_bytes_are_told_apart() {
        let mut image = Image::default();
        image.add(range(0x10, 0x20), Backing::Missing);
        let mut buf = [0; 4];
        assert!(matches!(image.read(Address::new(0x10), &mut buf), Err(ReadError::Missing { .. })));
        assert!(matches!(
            image.read(Address::new(0x20), &mut buf),
            Err(ReadError::Unmapped { .. })
        ));
    }
}
