//! Go types as far as a map's layout, hash and pointers depend on them (`cmd/compile/internal/types`,
//! sizes and alignments of amd64).

mod cursor;
mod error;
mod names;
mod parse;
mod program;
mod resolve;
mod source;
mod spell;
mod standard;
mod syntax;

pub use error::{SourceText, TypeError, TypeFault};
pub use names::{ConstantDefinition, Definition, TypeNames};
pub use program::ProgramTypes;
pub use resolve::{WrittenMapType, parse_map_type};
pub use source::GoSource;
pub use standard::StandardTypes;

use std::sync::Arc;

use crate::cost::ValueShape;

/// Bytes of a pointer.
const WORD: u64 = 8;

/// A Go type. What has one layout and is hashed in one way is one variant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GoType {
    /// `bool`, integers and `uintptr`, of so many bytes.
    Integer(u64),
    /// `float32` and `float64`, of so many bytes.
    Float(u64),
    /// `complex64` and `complex128`, of so many bytes.
    Complex(u64),
    /// `string`.
    String,
    /// A pointer, channel or `unsafe.Pointer`: one word that is compared as it is.
    Pointer,
    /// A map or function: one word that can't be compared.
    Reference,
    /// A slice, which can't be compared.
    Slice,
    /// An interface, empty or with methods.
    Interface {
        /// It has methods, and so holds an `itab` and not a type.
        has_methods: bool,
    },
    /// An array.
    Array(u64, Arc<GoType>),
    /// A struct.
    Struct(Arc<[StructField]>),
}

/// A field of a struct.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StructField {
    /// Its name; `_` is neither hashed nor compared.
    pub name: Arc<str>,
    /// Its type.
    pub ty: GoType,
}

impl GoType {
    /// Returns the size in bytes; saturates.
    pub fn size(&self) -> u64 {
        match self {
            Self::Integer(size) | Self::Float(size) | Self::Complex(size) => *size,
            Self::Pointer | Self::Reference => WORD,
            Self::String | Self::Interface { .. } => 2 * WORD,
            Self::Slice => 3 * WORD,
            Self::Array(len, elem) => elem.size().saturating_mul(*len),
            Self::Struct(fields) => {
                let (mut end, mut last) = (0_u64, 1);
                for (offset, field) in Self::fields(fields) {
                    last = field.ty.size();
                    end = offset.saturating_add(last);
                }
                // A pointer to a last field without size has to point into the struct.
                let end = if last == 0 && end > 0 { end + 1 } else { end };
                end.checked_next_multiple_of(self.align()).unwrap_or(u64::MAX)
            }
        }
    }

    /// Returns what addresses of the type are multiples of.
    pub fn align(&self) -> u64 {
        match self {
            Self::Integer(size) | Self::Float(size) => (*size).clamp(1, WORD),
            Self::Complex(size) => (*size / 2).clamp(1, WORD),
            Self::Array(_, elem) => elem.align(),
            Self::Struct(fields) => fields.iter().map(|field| field.ty.align()).max().unwrap_or(1),
            _ => WORD,
        }
    }

    /// Walks over a struct's fields with their offsets.
    pub fn fields(fields: &[StructField]) -> impl Iterator<Item = (u64, &StructField)> {
        let mut end = 0_u64;
        fields.iter().map(move |field| {
            let offset = end.checked_next_multiple_of(field.ty.align()).unwrap_or(u64::MAX);
            end = offset.saturating_add(field.ty.size());
            (offset, field)
        })
    }

    /// Returns the offset behind the last pointer, up to which the collector looks (`PtrBytes`).
    pub fn pointer_bytes(&self) -> u64 {
        match self {
            Self::Integer(_) | Self::Float(_) | Self::Complex(_) => 0,
            Self::String | Self::Pointer | Self::Reference | Self::Slice => WORD,
            // The first word is a pointer, too, in the collector's eyes.
            Self::Interface { .. } => 2 * WORD,
            Self::Array(len, elem) => match (len.checked_sub(1), elem.pointer_bytes()) {
                (None, _) | (_, 0) => 0,
                (Some(before), last) => elem.size().saturating_mul(before).saturating_add(last),
            },
            Self::Struct(fields) => Self::fields(fields)
                .filter_map(|(offset, field)| match field.ty.pointer_bytes() {
                    0 => None,
                    bytes => Some(offset.saturating_add(bytes)),
                })
                .last()
                .unwrap_or(0),
        }
    }

    /// Calls `each` with the offset of every pointer, in order, up to `end`.
    pub fn pointers(&self, base: u64, end: u64, each: &mut dyn FnMut(u64)) {
        if base >= end || self.pointer_bytes() == 0 {
            return;
        }
        match self {
            Self::String | Self::Pointer | Self::Reference | Self::Slice => each(base),
            Self::Interface { .. } => {
                each(base);
                each(base + WORD);
            }
            Self::Array(len, elem) => {
                for index in 0..*len {
                    let at = base.saturating_add(index.saturating_mul(elem.size()));
                    if at >= end {
                        break;
                    }
                    elem.pointers(at, end, each);
                }
            }
            Self::Struct(fields) => {
                for (offset, field) in Self::fields(fields) {
                    field.ty.pointers(base.saturating_add(offset), end, each);
                }
            }
            Self::Integer(_) | Self::Float(_) | Self::Complex(_) => {}
        }
    }

    /// Tells whether values can be compared, and so be keys.
    pub fn is_comparable(&self) -> bool {
        match self {
            Self::Reference | Self::Slice => false,
            Self::Array(_, elem) => elem.is_comparable(),
            Self::Struct(fields) => fields.iter().all(|field| field.ty.is_comparable()),
            _ => true,
        }
    }

    /// Tells whether a value of the type holds one of a type that `is_meant`, itself included. Blank
    /// fields and arrays without elements count.
    pub fn any(&self, is_meant: &dyn Fn(&Self) -> bool) -> bool {
        is_meant(self)
            || match self {
                Self::Array(_, elem) => elem.any(is_meant),
                Self::Struct(fields) => fields.iter().any(|field| field.ty.any(is_meant)),
                _ => false,
            }
    }

    /// Returns what a map's layout needs to know of the type.
    pub fn value_shape(&self) -> ValueShape {
        ValueShape {
            size: self.size(),
            align: self.align(),
            has_pointers: self.pointer_bytes() > 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn structure(fields: &[(&str, GoType)]) -> GoType {
        GoType::Struct(
            fields
                .iter()
                .map(|(name, ty)| StructField { name: (*name).into(), ty: ty.clone() })
                .collect(),
        )
    }

    #[test]
    fn structs_are_padded_as_the_compiler_pads_them() {
        let ty = structure(&[
            ("a", GoType::Integer(1)),
            ("b", GoType::String),
            ("c", GoType::Integer(4)),
        ]);
        assert_eq!((ty.size(), ty.align(), ty.pointer_bytes()), (32, 8, 16));
        let set = structure(&[("a", GoType::Integer(4)), ("_", structure(&[]))]);
        assert_eq!((set.size(), set.align()), (8, 4));
        assert_eq!(structure(&[]).size(), 0);
    }

    #[test]
    fn pointers_are_where_the_collector_looks() {
        let pair = structure(&[("n", GoType::Integer(8)), ("s", GoType::Slice)]);
        let ty = GoType::Array(2, Arc::new(pair));
        let mut offsets = Vec::new();
        ty.pointers(0, u64::MAX, &mut |offset| offsets.push(offset));
        assert_eq!((offsets, ty.pointer_bytes(), ty.size()), (vec![8, 40], 48, 64));
    }
}
