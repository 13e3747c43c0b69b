//! Which words of a value the collector follows, computed from the type's structure.
//!
//! Descriptors carry masks of their own, but in four encodings over the versions (bits, programs,
//! built on demand, unrolled by the allocator). The structure says the same in all of them.

use super::{GoType, Shape, TypeId, TypeTable};

/// Pointer words of a value, one bit each, up to the last pointer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PointerMask {
    bits: Vec<u64>,
}

/// A mask is made for at most this many words (1 GiB of value, 16 MiB of mask).
const MAX_WORDS: u64 = 1 << 27;
/// Types nest no deeper in programs that compile.
const MAX_DEPTH: u32 = 64;

impl PointerMask {
    /// Makes a mask of bytes, lowest bit first.
    pub fn from_bytes(bytes: &[u8], words: usize) -> Self {
        let mut mask = Self::default();
        for word in 0..words.min(bytes.len() * 8) {
            if bytes[word / 8] >> (word % 8) & 1 != 0 {
                mask.set(word);
            }
        }
        mask
    }

    /// Makes a mask of word indexes, of which those from `words` on are left out.
    pub fn from_words(indexes: impl IntoIterator<Item = u64>, words: usize) -> Self {
        let mut mask = Self::default();
        for index in indexes {
            if let Some(index) = usize::try_from(index).ok().filter(|index| *index < words) {
                mask.set(index);
            }
        }
        mask
    }

    pub(super) fn of(table: &TypeTable<'_>, ty: &GoType) -> Self {
        Self::to_depth(table, ty, MAX_DEPTH)
    }

    fn to_depth(table: &TypeTable<'_>, ty: &GoType, depth: u32) -> Self {
        let mut mask = Self::default();
        if ty.pointer_bytes != 0 && ty.pointer_bytes / 8 <= MAX_WORDS {
            mask.bits.resize((ty.pointer_bytes / 8).div_ceil(64) as usize, 0);
            mask.add(table, ty, 0, depth);
        }
        mask
    }

    fn add(&mut self, table: &TypeTable<'_>, ty: &GoType, at: u64, depth: u32) {
        if ty.pointer_bytes == 0 || depth == 0 {
            return;
        }
        match &ty.shape {
            Shape::Interface { .. } => self.set_at(at + 8),
            Shape::Array { elem, len } => self.add_array(table, *elem, *len, at, depth),
            Shape::Struct(fields) => {
                for field in fields {
                    self.add(table, table.get(field.ty), at + field.offset, depth - 1);
                }
            }
            Shape::Scalar | Shape::Opaque => {}
            _ => self.set_at(at),
        }
    }

    fn add_array(&mut self, table: &TypeTable<'_>, elem: TypeId, len: u64, at: u64, depth: u32) {
        let elem = table.get(elem);
        if elem.pointer_bytes == 0 {
            return;
        }
        let one = Self::to_depth(table, elem, depth - 1);
        for index in 0..len {
            let start = at.saturating_add(index.saturating_mul(elem.size)) / 8;
            if start >= 64 * self.bits.len() as u64 {
                break;
            }
            one.iter().for_each(|word| self.set_at(8 * (start + word as u64)));
        }
    }

    fn set_at(&mut self, byte: u64) {
        let word = (byte / 8) as usize;
        if let Some(bits) = self.bits.get_mut(word / 64) {
            *bits |= 1 << (word % 64);
        }
    }

    fn set(&mut self, word: usize) {
        if self.bits.len() <= word / 64 {
            self.bits.resize(word / 64 + 1, 0);
        }
        self.bits[word / 64] |= 1 << (word % 64);
    }

    /// Tells whether a word is a pointer.
    pub fn contains(&self, word: usize) -> bool {
        self.bits.get(word / 64).is_some_and(|bits| bits >> (word % 64) & 1 != 0)
    }

    /// Yields the pointer words, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.bits.iter().enumerate().flat_map(|(index, &bits)| {
            std::iter::successors((bits != 0).then_some(bits), |bits| {
                let rest = bits & (bits - 1);
                (rest != 0).then_some(rest)
            })
            .map(move |bits| 64 * index + bits.trailing_zeros() as usize)
        })
    }
}
