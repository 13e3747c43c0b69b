//! A map type on a release: all that operations on its maps need to know.

use std::collections::HashMap;

use tophash_memory::{Address, Arena, ByteSize, Memory};

use super::release::{ClassicRules, Release, SwissRules};
use crate::hash::{HashPlan, HashRules, KeyField, KeyReferences, KeyShape, MemoryHash};
use crate::layout::MapShape;
use crate::types::GoType;

/// Values this large and smaller lie in the slot (`abi.MapMaxElemBytes`).
const MAX_INLINE: u64 = 128;

/// Why there is no map of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadMapType {
    /// Keys must be comparable.
    #[error("values of the key type can't be compared, so they can't be keys")]
    KeyNotComparable,
    /// The key has more parts than a hash is made for here, or contradicts itself.
    #[error("the key type has too many parts")]
    KeyTooComplex,
    /// The type is larger than any object.
    #[error("the key or elem type is too large")]
    TooLarge,
}

/// Which of the ways to hash and compare a key is taken.
#[derive(Debug, Clone)]
pub(super) enum KeyKind {
    /// Four plain bytes.
    Four,
    /// Eight plain bytes.
    Eight,
    /// A string.
    Text,
    /// Plain bytes of another number.
    Plain,
    /// Any other.
    Parts(HashPlan),
}

/// A map type, as the compiler lays it out and a process hashes its keys.
#[derive(Debug, Clone)]
pub struct MapType {
    release: Release,
    shape: MapShape,
    key: GoType,
    elem: GoType,
    pub(super) kind: KeyKind,
    pub(super) hash: MemoryHash,
    /// Types of values in interfaces, by the word that stands for them.
    dynamic: HashMap<u64, DynamicType>,
    pub(super) facts: Facts,
}

/// What every operation looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) shape: MapShape,
    /// Bytes of a key in its slot.
    pub(super) stored_key: u64,
    /// Bytes of an elem in its slot.
    pub(super) stored_elem: u64,
    pub(super) key_has_pointers: bool,
    pub(super) elem_has_pointers: bool,
    /// An equal key can differ, and so is stored anew (`needkeyupdate`).
    pub(super) updates_key: bool,
    /// Every key equals itself (`isreflexive`).
    pub(super) is_reflexive: bool,
    /// Deleting a string key clears its pointer alone (`mapdelete_faststr` of the classic design).
    pub(super) keeps_text_length: bool,
    /// A full Swiss table prunes tombstones. Of the functions that assign, only the fast variants
    /// do, to Go 1.27: tables with other keys, or with elems over 128 bytes, grow instead.
    pub(super) prunes: bool,
    pub(super) classic: ClassicRules,
    pub(super) swiss: SwissRules,
}

/// A type that values in interfaces have.
#[derive(Debug, Clone)]
struct DynamicType {
    plan: HashPlan,
    size: u64,
    is_direct: bool,
}

impl MapType {
    /// Lays out `map[key]elem` for a release, with keys hashed by a process's secrets.
    ///
    /// # Errors
    ///
    /// Fails where the compiler would refuse the type, or it is too large.
    pub fn new(
        release: &Release,
        key: GoType,
        elem: GoType,
        hash: MemoryHash,
    ) -> Result<Self, BadMapType> {
        if !key.is_comparable() {
            return Err(BadMapType::KeyNotComparable);
        }
        let (key_shape, elem_shape) = (key.value_shape(), elem.value_shape());
        if key_shape.size.max(elem_shape.size) > 1 << 40 {
            return Err(BadMapType::TooLarge);
        }
        let shape = MapShape::for_values(release.design(), key_shape, elem_shape);
        let parts = key_parts(&key).ok_or(BadMapType::KeyTooComplex)?;
        let plan = HashPlan::new(&parts, release.hash_rules()).ok_or(BadMapType::KeyTooComplex)?;
        let is_plain = plan.is_plain();
        let kind = match key_shape.size {
            4 if is_plain => KeyKind::Four,
            8 if is_plain => KeyKind::Eight,
            _ if is_plain => KeyKind::Plain,
            _ if *only_part(&key) == GoType::String => KeyKind::Text,
            _ => KeyKind::Parts(plan),
        };
        // `mapfast` of `cmd/compile/internal/walk`.
        let is_fast = matches!(kind, KeyKind::Four | KeyKind::Eight | KeyKind::Text)
            && elem_shape.size <= MAX_INLINE;
        let swiss = release.swiss_rules();
        let facts = Facts {
            stored_key: if shape.indirect_key { 8 } else { shape.key_size },
            stored_elem: if shape.indirect_elem { 8 } else { shape.elem_size },
            key_has_pointers: key_shape.has_pointers,
            elem_has_pointers: elem_shape.has_pointers,
            updates_key: key.any(&|ty| {
                matches!(
                    ty,
                    GoType::Float(_)
                        | GoType::Complex(_)
                        | GoType::Interface { .. }
                        | GoType::String
                )
            }),
            is_reflexive: !key.any(&|ty| {
                matches!(ty, GoType::Float(_) | GoType::Complex(_) | GoType::Interface { .. })
            }),
            keeps_text_length: is_fast && matches!(kind, KeyKind::Text),
            prunes: is_fast && swiss.prunes,
            classic: release.classic_rules(),
            swiss,
            shape,
        };
        let release = release.clone();
        let dynamic = HashMap::new();
        Ok(Self { release, shape, key, elem, kind, hash, dynamic, facts })
    }

    /// Lets values of a type be in interfaces of keys: `word` stands for the type where the
    /// interface holds it, which with methods is the method table's.
    ///
    /// # Errors
    ///
    /// As [`MapType::new`] for keys.
    pub fn add_dynamic(&mut self, word: Address, ty: &GoType) -> Result<(), BadMapType> {
        if !ty.is_comparable() {
            return Err(BadMapType::KeyNotComparable);
        }
        let parts = key_parts(ty).ok_or(BadMapType::KeyTooComplex)?;
        let plan = HashPlan::new(&parts, HashRules::Runtime).ok_or(BadMapType::KeyTooComplex)?;
        let is_direct = matches!(ty, GoType::Pointer);
        self.dynamic.insert(word.get(), DynamicType { plan, size: ty.size(), is_direct });
        Ok(())
    }

    /// Returns the release.
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// Returns the shape of buckets or groups.
    pub fn shape(&self) -> &MapShape {
        &self.shape
    }

    /// Returns the key's type.
    pub fn key(&self) -> &GoType {
        &self.key
    }

    /// Returns the elem's type.
    pub fn elem(&self) -> &GoType {
        &self.elem
    }
}

/// A struct of one field is hashed as that field, and an array of one element as that element
/// (`AlgType` of `cmd/compile/internal/types`).
fn only_part(ty: &GoType) -> &GoType {
    match ty {
        GoType::Struct(fields) => match &fields[..] {
            [field] if &*field.name != "_" => only_part(&field.ty),
            _ => ty,
        },
        GoType::Array(1, elem) => only_part(elem),
        _ => ty,
    }
}

/// What keys in an arena refer to.
pub(super) struct Referred<'a> {
    pub(super) arena: &'a Arena,
    pub(super) ty: &'a MapType,
    /// How many interfaces may still be opened.
    pub(super) depth: u32,
}

impl Referred<'_> {
    /// Hands the value in an interface to `then`, with its type.
    fn open<T>(
        &self,
        word: Address,
        data: Address,
        then: impl FnOnce(&HashPlan, &[u8], &Self) -> Option<T>,
    ) -> Option<T> {
        let dynamic = self.ty.dynamic.get(&word.get())?;
        let below = Self { depth: self.depth.checked_sub(1)?, ..*self };
        if dynamic.is_direct {
            return then(&dynamic.plan, &data.get().to_le_bytes(), &below);
        }
        let value = match dynamic.size {
            0 => &[],
            size => self.arena.bytes(data, ByteSize::new(size))?,
        };
        then(&dynamic.plan, value, &below)
    }
}

impl KeyReferences for Referred<'_> {
    fn text(&self, data: Address, len: ByteSize) -> Option<std::borrow::Cow<'_, [u8]>> {
        self.arena.bytes(data, len).map(Into::into)
    }

    fn dynamic(&self, _: bool, ty: Address, data: Address, seed: u64) -> Option<u64> {
        self.open(ty, data, |plan, value, below| plan.hash(&self.ty.hash, value, seed, below))
    }

    fn dynamic_equal(&self, ty: Address, data: [Address; 2]) -> bool {
        let [left, right] = data;
        let equal = self.open(ty, left, |plan, left, below| {
            self.open(ty, right, |_, right, _| Some(plan.equal(left, right, below)))
        });
        equal.unwrap_or(false)
    }
}

/// Says what a key's type is made of.
fn key_parts(ty: &GoType) -> Option<KeyShape> {
    Some(match ty {
        GoType::Integer(size) => KeyShape::Plain(*size),
        GoType::Float(4) => KeyShape::Float32,
        GoType::Float(_) => KeyShape::Float64,
        GoType::Complex(8) => KeyShape::Complex64,
        GoType::Complex(_) => KeyShape::Complex128,
        GoType::String => KeyShape::String,
        GoType::Pointer => KeyShape::Plain(8),
        GoType::Interface { has_methods } => KeyShape::Interface { has_methods: *has_methods },
        GoType::Array(len, elem) => KeyShape::Array { elem: Box::new(key_parts(elem)?), len: *len },
        GoType::Struct(fields) => KeyShape::Struct {
            size: ty.size(),
            fields: GoType::fields(fields)
                .map(|(offset, field)| {
                    let is_blank = &*field.name == "_";
                    Some(KeyField { offset, is_blank, shape: key_parts(&field.ty)? })
                })
                .collect::<Option<_>>()?,
        },
        GoType::Reference | GoType::Slice => return None,
    })
}
