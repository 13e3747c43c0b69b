//! Where the pointers of an object are (`runtime/mbitmap.go`).
//!
//! A map is the pointer words of one *unit*, such as an array's element or a bucket, which
//! repeats until the object ends. Maps are interned: a slot keeps a number of four bytes.

use std::collections::HashMap;

use tophash_gomap::GoType;

/// The most words of a unit, and so the longest list of offsets: 2 MiB.
const MOST_WORDS: u64 = 1 << 18;

/// A pointer map's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MapId(pub(crate) u32);

impl MapId {
    /// That of objects without pointers.
    pub const NONE: Self = Self(0);
}

/// What an object is, as far as faults single it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Not part of a map.
    Plain,
    /// A map's header, directory or table.
    MapHeader,
    /// An array of a map's buckets or groups.
    MapArray,
    /// An overflow bucket.
    OverflowBucket,
}

/// The pointer words of a unit that repeats.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PointerMap {
    /// Bytes from one unit to the next.
    pub(crate) unit: u64,
    /// Offsets of pointers in a unit, ascending.
    pub(crate) offsets: Box<[u64]>,
    /// What the object is.
    pub(crate) role: Role,
    /// The pointer to the next bucket, in a classic bucket with pointers.
    pub(crate) overflow: Option<u64>,
}

impl PointerMap {
    /// Describes objects whose every `unit` bytes have pointers at `offsets`. Offsets that are not
    /// those of words in the unit are left out.
    pub fn new(unit: u64, offsets: impl IntoIterator<Item = u64>, role: Role) -> Self {
        let mut offsets: Vec<u64> = offsets
            .into_iter()
            .take(MOST_WORDS as usize)
            .filter(|offset| offset % 8 == 0 && offset.saturating_add(8) <= unit)
            .collect();
        offsets.sort_unstable();
        offsets.dedup();
        Self { unit: unit.max(8), offsets: offsets.into(), role, overflow: None }
    }

    /// Describes values of a type, one or an array of them.
    pub fn of(ty: &GoType) -> Self {
        let mut offsets = Vec::new();
        ty.pointers(0, ty.size().min(MOST_WORDS * 8), &mut |offset| offsets.push(offset));
        Self::new(ty.size(), offsets, Role::Plain)
    }

    /// Says that the word at `offset` leads to an overflow bucket.
    #[must_use]
    pub fn with_overflow(mut self, offset: u64) -> Self {
        self.overflow = Some(offset);
        self
    }

    /// Tells whether there is no pointer.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Returns the bytes up to the last pointer's end in an object of `size` bytes.
    pub(crate) fn pointer_bytes(&self, size: u64) -> u64 {
        let Some(last) = self.offsets.last() else { return 0 };
        let (whole, rest) = (size / self.unit * self.unit, size % self.unit);
        let in_rest = self.offsets.iter().rfind(|&&offset| offset + 8 <= rest);
        match in_rest {
            Some(offset) => whole + offset + 8,
            None if whole == 0 => 0,
            None => whole - self.unit + last + 8,
        }
    }

    /// Returns the offsets of pointers from `start` up to `end`, both offsets in the object.
    pub(crate) fn within(&self, start: u64, end: u64) -> impl Iterator<Item = u64> + '_ {
        let first_unit = start / self.unit;
        let units = match self.offsets.is_empty() {
            true => 0,
            false => end.div_ceil(self.unit).saturating_sub(first_unit),
        };
        (first_unit..first_unit + units)
            .flat_map(move |unit| self.offsets.iter().map(move |offset| unit * self.unit + offset))
            .skip_while(move |&offset| offset < start)
            .take_while(move |&offset| offset + 8 <= end)
    }
}

/// All maps by number.
#[derive(Debug)]
pub(crate) struct PointerMaps {
    maps: Vec<PointerMap>,
    numbers: HashMap<PointerMap, MapId>,
}

impl PointerMaps {
    pub(crate) fn new() -> Self {
        let none = PointerMap::new(8, [], Role::Plain);
        Self { numbers: HashMap::from([(none.clone(), MapId::NONE)]), maps: vec![none] }
    }

    pub(crate) fn intern(&mut self, map: PointerMap) -> MapId {
        if map.is_empty() {
            return MapId::NONE;
        }
        if let Some(&id) = self.numbers.get(&map) {
            return id;
        }
        let id = MapId(self.maps.len() as u32);
        self.maps.push(map.clone());
        self.numbers.insert(map, id);
        id
    }

    #[inline]
    pub(crate) fn get(&self, id: MapId) -> &PointerMap {
        // Every id was made above.
        &self.maps[id.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_repeat_up_to_the_end() {
        let map = PointerMap::new(24, [16, 0], Role::Plain);
        assert_eq!(map.within(0, 72).collect::<Vec<_>>(), [0, 16, 24, 40, 48, 64]);
        assert_eq!(map.within(20, 48).collect::<Vec<_>>(), [24, 40]);
        assert_eq!((map.pointer_bytes(72), map.pointer_bytes(64)), (72, 56));
        assert_eq!(PointerMap::of(&GoType::String).offsets.as_ref(), [0]);
    }
}
