//! How a key of several parts is hashed: part after part, the hash of one being the seed of the
//! next.
//!
//! There are three ways to cut a key into parts, and a hash only agrees under the right one:
//!
//! - the hash functions that the compiler generates for a map type, until Go 1.26: a run of
//!   adjacent plain fields of one struct is a part, whatever its size; elements of an array and
//!   nested structs are hashed on their own (`cmd/compile/internal/reflectdata/alg.go`);
//! - the same since Go 1.27: the key is written flat, as runs of plain bytes, floats, strings and
//!   interfaces, so that runs reach across nested structs and unrolled array elements, and a run of
//!   four or eight bytes has the hash of such a word;
//! - the runtime's own walk along the type (`runtime.typehash`), for what is in an interface:
//!   every field is a part.
//!
//! Padding and blank fields belong to no part.

use std::borrow::Cow;

use tophash_memory::{Address, ByteSize};

use super::memory_hash::{self, MemoryHash};

/// Which of the ways to cut a key is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashRules {
    /// The compiler's, until Go 1.26.
    Fields,
    /// The compiler's, since Go 1.27.
    Flat,
    /// The runtime's, for the value in an interface.
    Runtime,
}

/// What a key's type is made of, as far as hashing goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyShape {
    /// Plain bytes: integers, booleans, pointers, channels.
    Plain(u64),
    /// A `float32`.
    Float32,
    /// A `float64`.
    Float64,
    /// A `complex64`.
    Complex64,
    /// A `complex128`.
    Complex128,
    /// A string.
    String,
    /// An interface; one with methods leads to its type through a method table.
    Interface {
        /// It has methods.
        has_methods: bool,
    },
    /// A struct.
    Struct {
        /// Size of the whole, in bytes.
        size: u64,
        /// The fields, by offset.
        fields: Vec<KeyField>,
    },
    /// An array.
    Array {
        /// The element.
        elem: Box<Self>,
        /// How many.
        len: u64,
    },
}

/// A field of a struct in a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyField {
    /// Distance from the struct's start, in bytes.
    pub offset: u64,
    /// It is named `_`, and so is no part of the key.
    pub is_blank: bool,
    /// Its type.
    pub shape: KeyShape,
}

/// One part of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Bytes, hashed as such whatever their number.
    Bytes(u64),
    /// Bytes, of which four or eight have a hash of their own.
    Value(u64),
    Float32,
    Float64,
    String,
    Interface {
        has_methods: bool,
    },
}

/// The parts of a key, each with its distance from the key's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashPlan {
    parts: Vec<(u64, Part)>,
}

/// Longer plans are not made: what a key of so many parts is, its hash need not tell.
const MAX_PARTS: usize = 1024;
/// Nor are types nested deeper.
const MAX_DEPTH: usize = 32;
/// Bytes of elements that the compiler hashes in one turn of its loop over an array.
const UNROLLED_BYTES: u64 = 32;

impl HashPlan {
    /// Cuts a key; `None` where it has too many parts, or its offsets contradict each other.
    pub fn new(key: &KeyShape, rules: HashRules) -> Option<Self> {
        let mut builder = Builder { rules, parts: Vec::new(), run: None };
        if key.is_plain(MAX_DEPTH)? {
            let size = key.size(MAX_DEPTH)?;
            // Only a whole key of no size hashes to its seed.
            let part = if size == 0 && rules == HashRules::Runtime {
                Part::Bytes(size)
            } else {
                Part::Value(size)
            };
            builder.push(0, part)?;
        } else {
            builder.add(0, key, MAX_DEPTH)?;
            builder.flush()?;
        }
        Some(Self { parts: builder.parts })
    }

    /// Tells whether keys are compared and hashed as plain memory.
    pub fn is_plain(&self) -> bool {
        matches!(self.parts[..], [(0, Part::Value(_))])
    }

    /// Compares two keys, part by part, as Go does: zeros of both signs are equal, NaN is not equal
    /// to itself, and what can't be read is equal to nothing.
    pub fn equal(&self, left: &[u8], right: &[u8], references: &dyn KeyReferences) -> bool {
        let words = |bytes: &[u8]| {
            let ([first, second, ..], _) = bytes.as_chunks::<8>() else { return None };
            Some([*first, *second].map(u64::from_le_bytes))
        };
        self.parts.iter().all(|(at, part)| {
            let from = |key| -> Option<&[u8]> { <[u8]>::get(key, usize::try_from(*at).ok()?..) };
            let (Some(left), Some(right)) = (from(left), from(right)) else { return false };
            let equal = match part {
                Part::Bytes(size) | Part::Value(size) => {
                    let size = usize::try_from(*size).ok();
                    size.map(|size| left.get(..size).is_some_and(|l| right.get(..size) == Some(l)))
                }
                Part::Float32 => {
                    let float = |key: &[u8]| key.first_chunk().map(|key| f32::from_le_bytes(*key));
                    float(left).zip(float(right)).map(|(left, right)| left == right)
                }
                Part::Float64 => {
                    let float = |key: &[u8]| key.first_chunk().map(|key| f64::from_le_bytes(*key));
                    float(left).zip(float(right)).map(|(left, right)| left == right)
                }
                Part::String => {
                    words(left).zip(words(right)).map(|([left, len], [right, other])| {
                        let text = |data| references.text(Address::new(data), ByteSize::new(len));
                        len == other
                            && (len == 0
                                || left == right
                                || text(left).zip(text(right)).is_some_and(|(l, r)| l == r))
                    })
                }
                Part::Interface { .. } => {
                    words(left).zip(words(right)).map(|([ty, left], [other, right])| {
                        let data = [left, right].map(Address::new);
                        ty == other && (ty == 0 || references.dynamic_equal(Address::new(ty), data))
                    })
                }
            };
            equal.unwrap_or(false)
        })
    }

    /// Hashes a key under the plan; `None` where that can't be said: the key is cut short, what it
    /// refers to can't be read, or it holds a NaN, which hashes to a random number.
    pub fn hash(
        &self,
        hash: &MemoryHash,
        key: &[u8],
        seed: u64,
        references: &dyn KeyReferences,
    ) -> Option<u64> {
        self.parts.iter().try_fold(seed, |seed, (at, part)| {
            let from = key.get(usize::try_from(*at).ok()?..)?;
            let bytes = |size: u64| from.get(..usize::try_from(size).ok()?);
            let words = || {
                let ([first, second, ..], _) = from.as_chunks::<8>() else { return None };
                Some((
                    Address::new(u64::from_le_bytes(*first)),
                    Address::new(u64::from_le_bytes(*second)),
                ))
            };
            Some(match part {
                Part::Bytes(size) => hash.bytes(bytes(*size)?, seed),
                Part::Value(size) => hash.value(bytes(*size)?, seed),
                Part::Float32 => hash.float32(*from.first_chunk()?, seed)?,
                Part::Float64 => hash.float64(*from.first_chunk()?, seed)?,
                Part::String => {
                    let (data, len) = words()?;
                    let text = match len.get() {
                        0 => Cow::default(),
                        len => references.text(data, ByteSize::new(len))?,
                    };
                    hash.bytes(&text, seed)
                }
                Part::Interface { has_methods } => {
                    let (ty, data) = words()?;
                    if ty.is_null() {
                        seed
                    } else {
                        let value = |seed| references.dynamic(*has_methods, ty, data, seed);
                        memory_hash::interface(seed, value)?
                    }
                }
            })
        })
    }
}

/// What a key's bytes refer to.
pub trait KeyReferences {
    /// Reads the contents of a string.
    fn text(&self, data: Address, len: ByteSize) -> Option<Cow<'_, [u8]>>;

    /// Hashes the value in an interface under a seed, by [`HashRules::Runtime`]. `ty` is the first
    /// word of the interface, a type's descriptor or a method table, and `data` is the second.
    fn dynamic(&self, has_methods: bool, ty: Address, data: Address, seed: u64) -> Option<u64>;

    /// Compares two values in interfaces, which are both of the type that `ty` stands for. Only keys
    /// that are compared need it.
    fn dynamic_equal(&self, ty: Address, data: [Address; 2]) -> bool {
        let _ = (ty, data);
        false
    }
}

impl KeyShape {
    /// Returns the size of a value, in bytes.
    pub(super) fn size(&self, depth: usize) -> Option<u64> {
        let depth = depth.checked_sub(1)?;
        Some(match self {
            Self::Plain(size) | Self::Struct { size, .. } => *size,
            Self::Float32 => 4,
            Self::Float64 | Self::Complex64 => 8,
            Self::Complex128 | Self::String | Self::Interface { .. } => 16,
            Self::Array { elem, len } => elem.size(depth)?.checked_mul(*len)?,
        })
    }

    /// Tells whether two values are equal exactly when their bytes are (`types.AMEM`).
    fn is_plain(&self, depth: usize) -> Option<bool> {
        let depth = depth.checked_sub(1)?;
        Some(match self {
            Self::Plain(_) => true,
            Self::Array { len: 0, .. } => true,
            Self::Array { elem, .. } => elem.is_plain(depth)?,
            Self::Struct { size, fields } => {
                // A struct of one field is that field, whatever follows it.
                if let [only] = &fields[..]
                    && !only.is_blank
                {
                    return only.shape.is_plain(depth);
                }
                let mut end = 0;
                for field in fields {
                    let is_gapless = field.offset == end && !field.is_blank;
                    if !is_gapless || !field.shape.is_plain(depth)? {
                        return Some(false);
                    }
                    end = field.offset.checked_add(field.shape.size(depth)?)?;
                }
                end == *size
            }
            _ => false,
        })
    }
}

struct Builder {
    rules: HashRules,
    parts: Vec<(u64, Part)>,
    /// Start and end of the plain bytes that wait for more to join them.
    run: Option<(u64, u64)>,
}

impl Builder {
    fn push(&mut self, at: u64, part: Part) -> Option<()> {
        if self.parts.len() >= MAX_PARTS {
            return None;
        }
        self.parts.push((at, part));
        Some(())
    }

    /// Ends a run of plain bytes.
    fn flush(&mut self) -> Option<()> {
        let Some((start, end)) = self.run.take() else { return Some(()) };
        let size = end - start;
        match self.rules {
            HashRules::Fields => self.push(start, Part::Bytes(size)),
            HashRules::Flat if size == 0 => Some(()),
            HashRules::Flat => self.push(start, Part::Value(size)),
            // Without a run of its own, a part of no size is still hashed.
            HashRules::Runtime if size == 0 => self.push(start, Part::Bytes(size)),
            HashRules::Runtime => self.push(start, Part::Value(size)),
        }
    }

    fn plain(&mut self, at: u64, size: u64) -> Option<()> {
        let end = at.checked_add(size)?;
        match &mut self.run {
            Some((_, run_end)) if *run_end == at && self.rules != HashRules::Runtime => {
                *run_end = end;
            }
            _ => {
                self.flush()?;
                self.run = Some((at, end));
            }
        }
        Some(())
    }

    fn other(&mut self, at: u64, part: Part) -> Option<()> {
        self.flush()?;
        self.push(at, part)
    }

    fn add(&mut self, at: u64, shape: &KeyShape, depth: usize) -> Option<()> {
        let below = depth.checked_sub(1)?;
        match shape {
            KeyShape::Plain(size) => self.plain(at, *size),
            KeyShape::Float32 => self.other(at, Part::Float32),
            KeyShape::Float64 => self.other(at, Part::Float64),
            KeyShape::Complex64 => {
                self.other(at, Part::Float32)?;
                self.other(at.checked_add(4)?, Part::Float32)
            }
            KeyShape::Complex128 => {
                self.other(at, Part::Float64)?;
                self.other(at.checked_add(8)?, Part::Float64)
            }
            KeyShape::String => self.other(at, Part::String),
            KeyShape::Interface { has_methods } => {
                self.other(at, Part::Interface { has_methods: *has_methods })
            }
            KeyShape::Struct { .. } | KeyShape::Array { .. } if shape.is_plain(depth)? => {
                self.plain(at, shape.size(depth)?)
            }
            KeyShape::Struct { fields, .. } => {
                // The compiler's older functions hash a nested struct by itself.
                let is_apart = self.rules == HashRules::Fields;
                if is_apart {
                    self.flush()?;
                }
                for field in fields {
                    if field.is_blank {
                        if is_apart {
                            // No run reaches across it, even where it has no size.
                            self.flush()?;
                        }
                        continue;
                    }
                    self.add(at.checked_add(field.offset)?, &field.shape, below)?;
                }
                if is_apart { self.flush() } else { Some(()) }
            }
            KeyShape::Array { elem, len } => self.array(at, elem, *len, below),
        }
    }

    fn array(&mut self, at: u64, elem: &KeyShape, len: u64, depth: usize) -> Option<()> {
        let size = elem.size(depth)?;
        if len > MAX_PARTS as u64 {
            return None;
        }
        let (first, turn) = match self.rules {
            HashRules::Flat if size == 0 && len > 1 => return Some(()),
            HashRules::Flat => {
                // What does not fill a turn comes first; then turn by turn, unless there is one.
                let turn = (UNROLLED_BYTES / size.max(1)).max(1);
                let first = len % turn;
                if len - first == turn { (len, turn) } else { (first, turn) }
            }
            HashRules::Fields => (0, 1),
            HashRules::Runtime => (len, 1),
        };
        for index in 0..len {
            if index >= first && (index - first).is_multiple_of(turn) {
                self.flush()?;
            }
            self.add(at.checked_add(size.checked_mul(index)?)?, elem, depth)?;
        }
        if first < len { self.flush() } else { Some(()) }
    }
}
