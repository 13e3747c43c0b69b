//! How large values are, and where in them pointers may be: as gc lays them out on amd64.

use crate::types::{Basic, Field, Type, TypeId};
use crate::universe::Universe;

/// Types that nest deeper have no known size.
const MAX_DEPTH: u32 = 100;

const WORD: u64 = 8;

/// How a type's values lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    size: u64,
    align: u64,
    /// Up to here there may be pointers.
    pointers: u64,
}

impl Layout {
    const fn words(words: u64, pointer_words: u64) -> Self {
        Self { size: words * WORD, align: WORD, pointers: pointer_words * WORD }
    }

    const fn plain(size: u64, align: u64) -> Self {
        Self { size, align, pointers: 0 }
    }
}

fn rounded(size: u64, align: u64) -> Option<u64> {
    size.checked_next_multiple_of(align.max(1))
}

impl Universe {
    fn layout(&self, typ: TypeId, depth: u32) -> Option<Layout> {
        if let Some(known) = self.layouts.borrow().get(&typ) {
            return *known;
        }
        // A type that holds itself has no size.
        self.layouts.borrow_mut().insert(typ, None);
        let layout = self.lay_out(typ, depth);
        match layout {
            Some(_) => self.layouts.borrow_mut().insert(typ, layout),
            // What is unknown now may be known later.
            None => self.layouts.borrow_mut().remove(&typ),
        };
        layout
    }

    fn lay_out(&self, typ: TypeId, depth: u32) -> Option<Layout> {
        let depth = depth.checked_sub(1)?;
        if !self.step() {
            return None;
        }
        Some(match &*self.under(typ) {
            Type::Basic(basic) => match basic {
                Basic::Bool | Basic::Int8 | Basic::Uint8 | Basic::UntypedBool => {
                    Layout::plain(1, 1)
                }
                Basic::Int16 | Basic::Uint16 => Layout::plain(2, 2),
                Basic::Int32 | Basic::Uint32 | Basic::Float32 | Basic::UntypedRune => {
                    Layout::plain(4, 4)
                }
                Basic::Complex64 => Layout::plain(8, 4),
                Basic::Complex128 | Basic::UntypedComplex => Layout::plain(16, 8),
                Basic::String | Basic::UntypedString => Layout::words(2, 1),
                Basic::UnsafePointer | Basic::UntypedNil => Layout::words(1, 1),
                Basic::Int
                | Basic::Int64
                | Basic::Uint
                | Basic::Uint64
                | Basic::Uintptr
                | Basic::Float64
                | Basic::UntypedInt
                | Basic::UntypedFloat => Layout::plain(8, 8),
            },
            Type::Pointer(_) | Type::Map { .. } | Type::Chan { .. } | Type::Func(_) => {
                Layout::words(1, 1)
            }
            Type::Slice(_) => Layout::words(3, 1),
            Type::Interface(_) => Layout::words(2, 2),
            Type::Array { length, elem } => {
                let (length, elem) = ((*length)?, self.layout(*elem, depth)?);
                let size = elem.size.checked_mul(length)?;
                let pointers = match (elem.pointers, length) {
                    (0, _) | (_, 0) => 0,
                    (pointers, _) => size - elem.size + pointers,
                };
                Layout { size, align: elem.align, pointers }
            }
            Type::Struct(fields) => {
                let mut layout = self.place(fields, depth)?.0;
                if self.is_aligned_by_name(typ) {
                    layout.align = WORD;
                }
                layout
            }
            _ => return None,
        })
    }

    /// The compiler knows one type by its name, and aligns what holds it.
    fn is_aligned_by_name(&self, typ: TypeId) -> bool {
        let Type::Named { object, .. } = *self.get(typ) else { return false };
        let object = self.object(object);
        &*object.name == "align64"
            && matches!(
                &*self.package_path(object.package),
                "sync/atomic" | "internal/runtime/atomic" | "runtime/internal/atomic"
            )
    }

    /// Lays fields out one after the other.
    fn place(&self, fields: &[Field], depth: u32) -> Option<(Layout, Vec<u64>)> {
        let mut whole = Layout::plain(0, 1);
        let mut offsets = Vec::with_capacity(fields.len());
        let mut last_is_empty = false;
        for field in fields {
            let layout = self.layout(field.typ, depth)?;
            let offset = rounded(whole.size, layout.align)?;
            offsets.push(offset);
            whole.size = offset.checked_add(layout.size)?;
            whole.align = whole.align.max(layout.align);
            if layout.pointers > 0 {
                whole.pointers = offset + layout.pointers;
            }
            last_is_empty = layout.size == 0;
        }
        // The address of an empty last field must not be that of what follows the struct.
        if last_is_empty && whole.size > 0 {
            whole.size = whole.size.checked_add(1)?;
        }
        whole.size = rounded(whole.size, whole.align)?;
        Some((whole, offsets))
    }

    /// Returns the size of a type's values in bytes. None for type parameters and what is unknown.
    pub fn size_of(&self, typ: TypeId) -> Option<u64> {
        self.layout(typ, MAX_DEPTH).map(|layout| layout.size)
    }

    /// Returns the alignment of a type's values.
    pub fn align_of(&self, typ: TypeId) -> Option<u64> {
        self.layout(typ, MAX_DEPTH).map(|layout| layout.align)
    }

    /// Returns the offsets of a struct's fields.
    pub fn offsets_of(&self, typ: TypeId) -> Option<Vec<u64>> {
        match &*self.under(typ) {
            Type::Struct(fields) => self.place(fields, MAX_DEPTH).map(|(_, offsets)| offsets),
            _ => None,
        }
    }

    /// Returns how many bytes from a value's start may hold pointers: 0 if none does.
    pub fn pointer_bytes(&self, typ: TypeId) -> Option<u64> {
        self.layout(typ, MAX_DEPTH).map(|layout| layout.pointers)
    }

    /// Whether a type's values hold pointers. None for type parameters and what is unknown.
    pub fn has_pointers(&self, typ: TypeId) -> Option<bool> {
        self.pointer_bytes(typ).map(|bytes| bytes > 0)
    }

    /// Whether an interface holds such a value as its word, without a box.
    pub fn is_direct_interface(&self, typ: TypeId) -> Option<bool> {
        let mut typ = typ;
        for _ in 0..MAX_DEPTH {
            let inner = match &*self.under(typ) {
                Type::Pointer(_) | Type::Map { .. } | Type::Chan { .. } | Type::Func(_) => {
                    return Some(true);
                }
                Type::Basic(basic) => return Some(*basic == Basic::UnsafePointer),
                Type::Array { length: Some(1), elem } => *elem,
                Type::Struct(fields) if fields.len() == 1 => fields.first()?.typ,
                Type::Unknown | Type::TypeParam(_) | Type::Array { length: None, .. } => {
                    return None;
                }
                _ => return Some(false),
            };
            typ = inner;
        }
        None
    }
}
