//! Running maps of Rust types.

use std::marker::PhantomData;
use std::sync::Arc;

use tophash_memory::{Address, Arena};

use super::access;
use super::heap::{Heap, OutOfMemory, Piece, Request};
use super::keys::{Eight, ForeignText, Four, Text, TextKey};
use super::map::{RunningIter, RunningMap};
use super::map_type::{BadMapType, MapType};
use super::release::Release;
use super::slot::Slot;
use crate::hash::MemoryHash;
use crate::types::{GoType, StructField};

/// A Rust type whose values have a form in Go's memory.
pub trait GoValue: Sized {
    /// Returns the Go type with that form.
    fn go_type() -> GoType;

    /// Returns the bytes of a value, putting what it refers to into the heap.
    ///
    /// # Errors
    ///
    /// Fails where the heap has no room.
    fn with_bytes<H: Heap, T>(
        &self,
        heap: &mut H,
        then: impl FnOnce(&mut H, &[u8]) -> T,
    ) -> Result<T, OutOfMemory>;

    /// Takes a value from its form in memory.
    fn load(arena: &Arena, at: Address) -> Self;
}

/// A Rust type whose values can be keys.
///
/// For a type of one's own, the methods hand the bytes that [`GoValue::with_bytes`] gives to the
/// methods of [`RunningMap`]. Those of the types here are compiled for the one way to hash and
/// compare that the type has.
pub trait GoKey: GoValue {
    /// What can be looked up: for `String`, `str`.
    type Borrowed: ?Sized;

    /// Finds the entry of a key.
    fn find<H: Heap>(map: &RunningMap, heap: &mut H, key: &Self::Borrowed) -> Option<Slot>;

    /// Finds the entry of a key, or adds one; says whether it is new.
    ///
    /// # Errors
    ///
    /// Fails where the heap has no room.
    fn place<H: Heap>(&self, map: &RunningMap, heap: &mut H) -> Result<(Slot, bool), OutOfMemory>;

    /// Deletes a key; says whether it was there.
    ///
    /// # Errors
    ///
    /// As [`RunningMap::delete`].
    fn remove<H: Heap>(
        map: &RunningMap,
        heap: &mut H,
        key: &Self::Borrowed,
    ) -> Result<bool, OutOfMemory>;

    /// Goes on to the next entry.
    fn advance<H: Heap>(iter: &mut RunningIter, heap: &mut H) -> Option<Slot> {
        iter.next(heap)
    }
}

macro_rules! scalar {
    ($($ty:ty => $go:expr;)*) => {$(
        impl GoValue for $ty {
            fn go_type() -> GoType {
                $go
            }

            #[inline(always)]
            fn with_bytes<H: Heap, T>(
                &self,
                heap: &mut H,
                then: impl FnOnce(&mut H, &[u8]) -> T,
            ) -> Result<T, OutOfMemory> {
                Ok(then(heap, &self.to_le_bytes()))
            }

            #[inline(always)]
            fn load(arena: &Arena, at: Address) -> Self {
                Self::from_le_bytes(arena.load(at))
            }
        }
    )*};
}

scalar! {
    u8 => GoType::Integer(1);
    i8 => GoType::Integer(1);
    u16 => GoType::Integer(2);
    i16 => GoType::Integer(2);
    u32 => GoType::Integer(4);
    i32 => GoType::Integer(4);
    u64 => GoType::Integer(8);
    i64 => GoType::Integer(8);
    f32 => GoType::Float(4);
    f64 => GoType::Float(8);
}

impl<const N: usize> GoValue for [u8; N] {
    fn go_type() -> GoType {
        GoType::Array(N as u64, Arc::new(GoType::Integer(1)))
    }

    #[inline(always)]
    fn with_bytes<H: Heap, T>(
        &self,
        heap: &mut H,
        then: impl FnOnce(&mut H, &[u8]) -> T,
    ) -> Result<T, OutOfMemory> {
        Ok(then(heap, self))
    }

    #[inline(always)]
    fn load(arena: &Arena, at: Address) -> Self {
        if N == 0 { [0; N] } else { arena.load(at) }
    }
}

/// `struct{}`.
impl GoValue for () {
    fn go_type() -> GoType {
        GoType::Struct(Arc::<[StructField]>::from([]))
    }

    #[inline(always)]
    fn with_bytes<H: Heap, T>(
        &self,
        heap: &mut H,
        then: impl FnOnce(&mut H, &[u8]) -> T,
    ) -> Result<T, OutOfMemory> {
        Ok(then(heap, &[]))
    }

    #[inline(always)]
    fn load(_: &Arena, _: Address) -> Self {}
}

/// A pointer.
impl GoValue for Address {
    fn go_type() -> GoType {
        GoType::Pointer
    }

    #[inline(always)]
    fn with_bytes<H: Heap, T>(
        &self,
        heap: &mut H,
        then: impl FnOnce(&mut H, &[u8]) -> T,
    ) -> Result<T, OutOfMemory> {
        Ok(then(heap, &self.get().to_le_bytes()))
    }

    #[inline(always)]
    fn load(arena: &Arena, at: Address) -> Self {
        Self::new(arena.word(at))
    }
}

/// A string, whose bytes are an object of their own.
impl GoValue for String {
    fn go_type() -> GoType {
        GoType::String
    }

    fn with_bytes<H: Heap, T>(
        &self,
        heap: &mut H,
        then: impl FnOnce(&mut H, &[u8]) -> T,
    ) -> Result<T, OutOfMemory> {
        let text = make_text(heap, self.as_bytes())?;
        Ok(then(heap, &text.to_bytes()))
    }

    fn load(arena: &Arena, at: Address) -> Self {
        let text = TextKey::load(arena, at);
        let bytes = if text.len == 0 { &[] } else { arena.slice(text.data, text.len as usize) };
        Self::from_utf8_lossy(bytes).into_owned()
    }
}

fn make_text<H: Heap>(heap: &mut H, bytes: &[u8]) -> Result<TextKey, OutOfMemory> {
    let len = bytes.len() as u64;
    if len == 0 {
        return Ok(TextKey { data: Address::NULL, len });
    }
    let request = Request { piece: Piece::Text(len), size: len, is_noscan: true };
    let data = heap.allocate(request)?;
    heap.arena_mut().slice_mut(data, bytes.len()).copy_from_slice(bytes);
    Ok(TextKey { data, len })
}

macro_rules! word_keys {
    ($($ty:ty => $keys:ident, $word:ty;)*) => {$(
        impl GoKey for $ty {
            type Borrowed = Self;

            #[inline(always)]
            fn find<H: Heap>(map: &RunningMap, heap: &mut H, key: &Self) -> Option<Slot> {
                map.find($keys, heap, *key as $word)
            }

            #[inline(always)]
            fn place<H: Heap>(
                &self,
                map: &RunningMap,
                heap: &mut H,
            ) -> Result<(Slot, bool), OutOfMemory> {
                map.place($keys, heap, *self as $word)
            }

            #[inline(always)]
            fn remove<H: Heap>(
                map: &RunningMap,
                heap: &mut H,
                key: &Self,
            ) -> Result<bool, OutOfMemory> {
                map.remove($keys, heap, *key as $word)
            }

            #[inline(always)]
            fn advance<H: Heap>(iter: &mut RunningIter, heap: &mut H) -> Option<Slot> {
                iter.advance($keys, heap)
            }
        }
    )*};
}

word_keys! {
    u32 => Four, u32;
    i32 => Four, u32;
    u64 => Eight, u64;
    i64 => Eight, u64;
}

impl GoKey for String {
    type Borrowed = str;

    #[inline(always)]
    fn find<H: Heap>(map: &RunningMap, heap: &mut H, key: &str) -> Option<Slot> {
        map.find(ForeignText, heap, key.as_bytes())
    }

    fn place<H: Heap>(&self, map: &RunningMap, heap: &mut H) -> Result<(Slot, bool), OutOfMemory> {
        let text = make_text(heap, self.as_bytes())?;
        map.place(Text, heap, text)
    }

    #[inline(always)]
    fn remove<H: Heap>(map: &RunningMap, heap: &mut H, key: &str) -> Result<bool, OutOfMemory> {
        map.remove(ForeignText, heap, key.as_bytes())
    }

    #[inline(always)]
    fn advance<H: Heap>(iter: &mut RunningIter, heap: &mut H) -> Option<Slot> {
        iter.advance(Text, heap)
    }
}

/// Keys that are handed over as their bytes.
macro_rules! byte_keys {
    ($([$($generics:tt)*] $ty:ty;)*) => {$(
        impl<$($generics)*> GoKey for $ty {
            type Borrowed = Self;

            #[inline]
            fn find<H: Heap>(map: &RunningMap, heap: &mut H, key: &Self) -> Option<Slot> {
                key.with_bytes(heap, |heap, key| map.get(heap, key)).ok().flatten()
            }

            #[inline]
            fn place<H: Heap>(
                &self,
                map: &RunningMap,
                heap: &mut H,
            ) -> Result<(Slot, bool), OutOfMemory> {
                self.with_bytes(heap, |heap, key| map.assign(heap, key))?
            }

            #[inline]
            fn remove<H: Heap>(
                map: &RunningMap,
                heap: &mut H,
                key: &Self,
            ) -> Result<bool, OutOfMemory> {
                key.with_bytes(heap, |heap, key| map.delete(heap, key))?
            }
        }
    )*};
}

byte_keys! {
    [] u8;
    [] i8;
    [] u16;
    [] i16;
    [] f32;
    [] f64;
    [] ();
    [] Address;
    [const N: usize] [u8; N];
}

/// A running map whose keys and elems are of Rust types.
///
/// ```
/// use tophash_gomap::{AesHash, BumpHeap, MemoryHash, Release, TypedMap};
/// use tophash_goruntime::GoVersion;
/// use tophash_memory::ByteSize;
///
/// let release = Release::new(&GoVersion::parse("go1.23").unwrap())?;
/// let hash = MemoryHash::Aes(AesHash::new(&[7; 128]).unwrap());
/// let mut heap = BumpHeap::new(&release, ByteSize::new(1 << 30), 1)?;
///
/// let ages: TypedMap<String, u16> = TypedMap::new(&release, hash, &mut heap, 0)?;
/// ages.insert(&mut heap, &"gopher".to_owned(), &15)?;
/// assert_eq!(ages.get(&mut heap, "gopher"), Some(15));
/// assert_eq!(ages.get(&mut heap, "crab"), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct TypedMap<K, V> {
    map: RunningMap,
    types: PhantomData<fn(K) -> V>,
}

impl<K: GoKey, V: GoValue> TypedMap<K, V> {
    /// Makes a map with room for `hint` entries.
    ///
    /// # Errors
    ///
    /// Fails where Go has no map of these types, or the heap has no room.
    pub fn new<H: Heap>(
        release: &Release,
        hash: MemoryHash,
        heap: &mut H,
        hint: u64,
    ) -> Result<Self, TypedMapError> {
        let ty = MapType::new(release, K::go_type(), V::go_type(), hash)?;
        let map = RunningMap::new(Arc::new(ty), heap, hint)?;
        Ok(Self { map, types: PhantomData })
    }

    /// Returns the map without its Rust types.
    pub fn untyped(&self) -> &RunningMap {
        &self.map
    }

    /// Returns the number of entries.
    pub fn len<H: Heap>(&self, heap: &H) -> u64 {
        self.map.len(heap)
    }

    /// Tells whether there is no entry.
    pub fn is_empty<H: Heap>(&self, heap: &H) -> bool {
        self.map.is_empty(heap)
    }

    /// Returns the elem of a key.
    #[inline]
    pub fn get<H: Heap>(&self, heap: &mut H, key: &K::Borrowed) -> Option<V> {
        let slot = K::find(&self.map, heap, key)?;
        Some(V::load(heap.arena(), slot.elem))
    }

    /// Sets the elem of a key; says whether the key is new.
    ///
    /// # Errors
    ///
    /// Fails where the heap has no room.
    #[inline]
    pub fn insert<H: Heap>(&self, heap: &mut H, key: &K, elem: &V) -> Result<bool, OutOfMemory> {
        let (slot, is_new) = key.place(&self.map, heap)?;
        let has_pointers = self.map.map_type().facts.elem_has_pointers;
        elem.with_bytes(heap, |heap, bytes| access::store(heap, slot.elem, bytes, has_pointers))?;
        Ok(is_new)
    }

    /// Deletes a key; says whether it was there.
    ///
    /// # Errors
    ///
    /// As [`RunningMap::delete`].
    #[inline]
    pub fn delete<H: Heap>(&self, heap: &mut H, key: &K::Borrowed) -> Result<bool, OutOfMemory> {
        K::remove(&self.map, heap, key)
    }

    /// Deletes all entries and keeps the arrays.
    pub fn clear<H: Heap>(&self, heap: &mut H) {
        self.map.clear(heap);
    }

    /// Starts to range over the map; see [`TypedIter::next`].
    ///
    /// # Errors
    ///
    /// As [`RunningMap::iter`].
    pub fn iter<H: Heap>(&self, heap: &mut H) -> Result<TypedIter<K, V>, OutOfMemory> {
        Ok(TypedIter { iter: self.map.iter(heap)?, types: PhantomData })
    }
}

/// Ranges over a [`TypedMap`].
#[derive(Debug, Clone)]
pub struct TypedIter<K, V> {
    iter: RunningIter,
    types: PhantomData<fn(K) -> V>,
}

impl<K: GoKey, V: GoValue> TypedIter<K, V> {
    /// Goes on to the next entry. The map may have changed meanwhile.
    #[inline]
    pub fn next<H: Heap>(&mut self, heap: &mut H) -> Option<(K, V)> {
        let slot = K::advance(&mut self.iter, heap)?;
        Some((K::load(heap.arena(), slot.key), V::load(heap.arena(), slot.elem)))
    }
}

/// Why there is no map of Rust types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TypedMapError {
    /// Go has no such map.
    #[error(transparent)]
    BadType(#[from] BadMapType),
    /// The heap has no room for it.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}
