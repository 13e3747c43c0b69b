//! The ways to hash, compare and store a key: the runtime's fast variants for four and eight bytes
//! and for strings, and the general one.

use tophash_memory::{Address, Arena, ByteSize, Memory};

use super::access::{add, store};
use super::heap::Heap;
use super::map_type::{KeyKind, MapType, Referred};
use crate::hash::HashPlan;

/// Interfaces in values in interfaces are not followed deeper.
const MAX_BOXES: u32 = 8;

/// Keys of a map type, as they are looked up.
pub(super) trait Keys: Copy {
    /// A key.
    type Key<'k>: Copy;

    /// Comparing is cheaper than hashing.
    const IS_WORD: bool = false;

    /// Hashes a key.
    fn hash<H: Heap>(self, ty: &MapType, heap: &mut H, key: Self::Key<'_>, seed: u64) -> u64;

    /// Hashes the key at an address.
    fn hash_stored<H: Heap>(self, ty: &MapType, heap: &mut H, at: Address, seed: u64) -> u64;

    /// Tells whether a key equals the one at an address.
    fn equal(self, ty: &MapType, arena: &Arena, key: Self::Key<'_>, at: Address) -> bool;

    /// Tells whether the key at an address equals itself, which NaN does not.
    fn equals_itself(self, ty: &MapType, arena: &Arena, at: Address) -> bool {
        let _ = (ty, arena, at);
        true
    }

    /// Looks the key at an address up, as `find` does for any key.
    fn with_stored<H: Heap, T>(
        self,
        ty: &MapType,
        heap: &mut H,
        at: Address,
        find: impl FnOnce(&mut H, Self::Key<'_>) -> T,
    ) -> T;
}

/// Keys that can be stored as they are.
pub(super) trait StoredKeys: Keys {
    /// Stores a key.
    fn store<H: Heap>(self, ty: &MapType, heap: &mut H, at: Address, key: Self::Key<'_>);
}

/// Four plain bytes (`mapaccess1_fast32` and others).
#[derive(Clone, Copy)]
pub(super) struct Four;

impl Keys for Four {
    type Key<'k> = u32;
    const IS_WORD: bool = true;

    #[inline(always)]
    fn hash<H: Heap>(self, ty: &MapType, _: &mut H, key: u32, seed: u64) -> u64 {
        ty.hash.word_4(key, seed)
    }

    #[inline(always)]
    fn hash_stored<H: Heap>(self, ty: &MapType, heap: &mut H, at: Address, seed: u64) -> u64 {
        ty.hash.word_4(u32::from_le_bytes(heap.arena().load(at)), seed)
    }

    #[inline(always)]
    fn equal(self, _: &MapType, arena: &Arena, key: u32, at: Address) -> bool {
        u32::from_le_bytes(arena.load(at)) == key
    }

    #[inline(always)]
    fn with_stored<H: Heap, T>(
        self,
        _: &MapType,
        heap: &mut H,
        at: Address,
        find: impl FnOnce(&mut H, u32) -> T,
    ) -> T {
        let key = u32::from_le_bytes(heap.arena().load(at));
        find(heap, key)
    }
}

impl StoredKeys for Four {
    #[inline(always)]
    fn store<H: Heap>(self, _: &MapType, heap: &mut H, at: Address, key: u32) {
        heap.arena_mut().store(at, key.to_le_bytes());
    }
}

/// Eight plain bytes, pointers among them (`mapaccess1_fast64` and others).
#[derive(Clone, Copy)]
pub(super) struct Eight;

impl Keys for Eight {
    type Key<'k> = u64;
    const IS_WORD: bool = true;

    #[inline(always)]
    fn hash<H: Heap>(self, ty: &MapType, _: &mut H, key: u64, seed: u64) -> u64 {
        ty.hash.word_8(key, seed)
    }

    #[inline(always)]
    fn hash_stored<H: Heap>(self, ty: &MapType, heap: &mut H, at: Address, seed: u64) -> u64 {
        ty.hash.word_8(heap.arena().word(at), seed)
    }

    #[inline(always)]
    fn equal(self, _: &MapType, arena: &Arena, key: u64, at: Address) -> bool {
        arena.word(at) == key
    }

    #[inline(always)]
    fn with_stored<H: Heap, T>(
        self,
        _: &MapType,
        heap: &mut H,
        at: Address,
        find: impl FnOnce(&mut H, u64) -> T,
    ) -> T {
        let key = heap.arena().word(at);
        find(heap, key)
    }
}

impl StoredKeys for Eight {
    #[inline(always)]
    fn store<H: Heap>(self, ty: &MapType, heap: &mut H, at: Address, key: u64) {
        if ty.facts.key_has_pointers {
            heap.barrier(at, 8, Some(&key.to_le_bytes()));
        }
        heap.arena_mut().set_word(at, key);
    }
}

/// A string that lies in the arena.
#[derive(Clone, Copy)]
pub(super) struct Text;

/// A string's header: where its bytes are, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TextKey {
    pub(super) data: Address,
    pub(super) len: u64,
}

impl TextKey {
    #[inline(always)]
    pub(super) fn load(arena: &Arena, at: Address) -> Self {
        let header: u128 = u128::from_le_bytes(arena.load(at));
        Self { data: Address::new(header as u64), len: (header >> 64) as u64 }
    }

    #[inline(always)]
    fn bytes(self, arena: &Arena) -> &[u8] {
        if self.len == 0 { &[] } else { arena.slice(self.data, self.len as usize) }
    }

    pub(super) fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.data.get()) | u128::from(self.len) << 64).to_le_bytes()
    }
}

impl Keys for Text {
    type Key<'k> = TextKey;

    #[inline(always)]
    fn hash<H: Heap>(self, ty: &MapType, heap: &mut H, key: TextKey, seed: u64) -> u64 {
        ty.hash.bytes(key.bytes(heap.arena()), seed)
    }

    #[inline(always)]
    fn hash_stored<H: Heap>(self, ty: &MapType, heap: &mut H, at: Address, seed: u64) -> u64 {
        let key = TextKey::load(heap.arena(), at);
        ty.hash.bytes(key.bytes(heap.arena()), seed)
    }

    #[inline(always)]
    fn equal(self, _: &MapType, arena: &Arena, key: TextKey, at: Address) -> bool {
        let stored = TextKey::load(arena, at);
        stored.len == key.len
            && (stored.data == key.data || stored.bytes(arena) == key.bytes(arena))
    }

    #[inline(always)]
    fn with_stored<H: Heap, T>(
        self,
        _: &MapType,
        heap: &mut H,
        at: Address,
        find: impl FnOnce(&mut H, TextKey) -> T,
    ) -> T {
        let key = TextKey::load(heap.arena(), at);
        find(heap, key)
    }
}

impl StoredKeys for Text {
    #[inline(always)]
    fn store<H: Heap>(self, _: &MapType, heap: &mut H, at: Address, key: TextKey) {
        let bytes = key.to_bytes();
        heap.barrier(at, 16, Some(&bytes));
        heap.arena_mut().store(at, bytes);
    }
}

/// A string that lies outside of the arena, to be looked up and not stored.
#[derive(Clone, Copy)]
pub(super) struct ForeignText;

impl Keys for ForeignText {
    type Key<'k> = &'k [u8];

    #[inline(always)]
    fn hash<H: Heap>(self, ty: &MapType, _: &mut H, key: &[u8], seed: u64) -> u64 {
        ty.hash.bytes(key, seed)
    }

    #[inline(always)]
    fn hash_stored<H: Heap>(self, ty: &MapType, heap: &mut H, at: Address, seed: u64) -> u64 {
        Text.hash_stored(ty, heap, at, seed)
    }

    #[inline(always)]
    fn equal(self, _: &MapType, arena: &Arena, key: &[u8], at: Address) -> bool {
        let stored = TextKey::load(arena, at);
        stored.len == key.len() as u64 && stored.bytes(arena) == key
    }

    fn with_stored<H: Heap, T>(
        self,
        _: &MapType,
        heap: &mut H,
        at: Address,
        find: impl FnOnce(&mut H, &[u8]) -> T,
    ) -> T {
        let key = TextKey::load(heap.arena(), at).bytes(heap.arena()).to_vec();
        find(heap, &key)
    }
}

/// Plain memory of another size, given as its bytes.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl Keys for Plain {
    type Key<'k> = &'k [u8];

    #[inline(always)]
    fn hash<H: Heap>(self, ty: &MapType, _: &mut H, key: &[u8], seed: u64) -> u64 {
        if key.is_empty() { seed } else { ty.hash.bytes(key, seed) }
    }

    #[inline(always)]
    fn hash_stored<H: Heap>(self, ty: &MapType, heap: &mut H, at: Address, seed: u64) -> u64 {
        match stored_bytes(ty, heap.arena(), at) {
            [] => seed,
            key => ty.hash.bytes(key, seed),
        }
    }

    #[inline(always)]
    fn equal(self, ty: &MapType, arena: &Arena, key: &[u8], at: Address) -> bool {
        key == stored_bytes(ty, arena, at)
    }

    fn with_stored<H: Heap, T>(
        self,
        ty: &MapType,
        heap: &mut H,
        at: Address,
        find: impl FnOnce(&mut H, &[u8]) -> T,
    ) -> T {
        let key = stored_bytes(ty, heap.arena(), at).to_vec();
        find(heap, &key)
    }
}

impl StoredKeys for Plain {
    #[inline(always)]
    fn store<H: Heap>(self, ty: &MapType, heap: &mut H, at: Address, key: &[u8]) {
        store(heap, at, key, ty.facts.key_has_pointers);
    }
}

/// Keys of any type, given as their bytes in memory.
#[derive(Clone, Copy)]
pub(super) struct Parts;

impl Parts {
    #[inline(always)]
    fn plan(ty: &MapType) -> Option<&HashPlan> {
        match &ty.kind {
            KeyKind::Parts(plan) => Some(plan),
            _ => None,
        }
    }

    fn hash_bytes(ty: &MapType, arena: &Arena, key: &[u8], seed: u64) -> Option<u64> {
        let references = Referred { arena, ty, depth: MAX_BOXES };
        Self::plan(ty)?.hash(&ty.hash, key, seed, &references)
    }
}

/// The key's bytes; none where a key has no size, which may lie at an object's end.
#[inline(always)]
fn stored_bytes<'a>(ty: &MapType, arena: &'a Arena, at: Address) -> &'a [u8] {
    arena.bytes(at, ByteSize::new(ty.facts.shape.key_size)).unwrap_or(&[])
}

impl Keys for Parts {
    type Key<'k> = &'k [u8];

    fn hash<H: Heap>(self, ty: &MapType, heap: &mut H, key: &[u8], seed: u64) -> u64 {
        // NaN hashes to a random number.
        Self::hash_bytes(ty, heap.arena(), key, seed).unwrap_or_else(|| heap.random())
    }

    fn hash_stored<H: Heap>(self, ty: &MapType, heap: &mut H, at: Address, seed: u64) -> u64 {
        let arena = heap.arena();
        Self::hash_bytes(ty, arena, stored_bytes(ty, arena, at), seed)
            .unwrap_or_else(|| heap.random())
    }

    fn equal(self, ty: &MapType, arena: &Arena, key: &[u8], at: Address) -> bool {
        let references = Referred { arena, ty, depth: MAX_BOXES };
        Self::plan(ty).is_some_and(|plan| plan.equal(key, stored_bytes(ty, arena, at), &references))
    }

    fn equals_itself(self, ty: &MapType, arena: &Arena, at: Address) -> bool {
        self.equal(ty, arena, stored_bytes(ty, arena, at), at)
    }

    fn with_stored<H: Heap, T>(
        self,
        ty: &MapType,
        heap: &mut H,
        at: Address,
        find: impl FnOnce(&mut H, &[u8]) -> T,
    ) -> T {
        let key = stored_bytes(ty, heap.arena(), at).to_vec();
        find(heap, &key)
    }
}

impl StoredKeys for Parts {
    fn store<H: Heap>(self, ty: &MapType, heap: &mut H, at: Address, key: &[u8]) {
        store(heap, at, key, ty.facts.key_has_pointers);
    }
}

/// Where the key of a slot lies: in the slot, or in a cell of its own.
#[inline(always)]
pub(super) fn key_at(ty: &MapType, arena: &Arena, slot: Address) -> Address {
    if ty.facts.shape.indirect_key { Address::new(arena.word(slot)) } else { slot }
}

/// Where the elem of a slot lies.
#[inline(always)]
pub(super) fn elem_at(ty: &MapType, arena: &Arena, slot: Address) -> Address {
    if ty.facts.shape.indirect_elem { Address::new(arena.word(slot)) } else { slot }
}

/// Returns the place of a slot's key and elem, given the group's or bucket's start.
#[inline(always)]
pub(super) fn slot_of(ty: &MapType, group: Address, index: u64) -> (Address, Address) {
    let shape = &ty.facts.shape;
    (
        add(group, shape.keys_offset + index * shape.key_stride),
        add(group, shape.elems_offset + index * shape.elem_stride),
    )
}
