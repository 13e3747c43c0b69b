//! What escape analysis asks of a type: its size, whether it holds pointers, how an interface stores it.
//!
//! Sizes are those of the gc compiler for linux/amd64. Of a type that could not be resolved it is assumed
//! that it holds pointers and has no size: so nothing that may flow is lost, and no limit is said to be
//! passed.

use std::cell::RefCell;

use hashbrown::HashMap;
use tophash_typecheck::{Basic, Type, TypeId, Universe};

use crate::version::Rules;

const WORD: u64 = 8;
/// Types nest no deeper than this; what does has no size.
const DEEPEST: u32 = 100;

/// Size and alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) size: u64,
    pub(crate) align: u64,
    /// Bytes up to the end of the last pointer.
    pub(crate) pointers: u64,
}

/// Types of a universe.
pub(crate) struct Types<'u> {
    pub(crate) universe: &'u Universe,
    layouts: RefCell<HashMap<TypeId, Option<Layout>>>,
}

impl<'u> Types<'u> {
    pub(crate) fn new(universe: &'u Universe) -> Self {
        Self { universe, layouts: RefCell::default() }
    }

    pub(crate) fn under(&self, id: TypeId) -> std::rc::Rc<Type> {
        self.universe.get(self.universe.underlying(id))
    }

    pub(crate) fn layout(&self, id: TypeId) -> Option<Layout> {
        self.layout_at(id, 0)
    }

    fn layout_at(&self, id: TypeId, depth: u32) -> Option<Layout> {
        if let Some(known) = self.layouts.borrow().get(&id) {
            return *known;
        }
        if depth > DEEPEST {
            return None;
        }
        let layout = self.compute(id, depth + 1);
        self.layouts.borrow_mut().insert(id, layout);
        layout
    }

    fn compute(&self, id: TypeId, depth: u32) -> Option<Layout> {
        let plain = |size: u64, align: u64| Some(Layout { size, align, pointers: 0 });
        let words = |size: u64, pointers: u64| {
            Some(Layout { size: size * WORD, align: WORD, pointers: pointers * WORD })
        };
        match &*self.under(id) {
            Type::Basic(basic) => match basic {
                Basic::Bool | Basic::Int8 | Basic::Uint8 | Basic::UntypedBool => plain(1, 1),
                Basic::Int16 | Basic::Uint16 => plain(2, 2),
                Basic::Int32 | Basic::Uint32 | Basic::Float32 | Basic::UntypedRune => plain(4, 4),
                Basic::Complex64 => plain(8, 4),
                Basic::Complex128 | Basic::UntypedComplex => plain(16, 8),
                Basic::String | Basic::UntypedString => words(2, 1),
                Basic::UnsafePointer | Basic::UntypedNil => words(1, 1),
                _ => plain(8, 8),
            },
            Type::Pointer(_) | Type::Map { .. } | Type::Chan { .. } | Type::Func(_) => words(1, 1),
            Type::Slice(_) => words(3, 1),
            Type::Interface(_) => words(2, 2),
            Type::Array { length, elem } => {
                let (length, elem) = ((*length)?, self.layout_at(*elem, depth)?);
                let size = elem.size.checked_mul(length)?;
                let pointers = match (length, elem.pointers) {
                    (0, _) | (_, 0) => 0,
                    (length, pointers) => {
                        elem.size.checked_mul(length - 1)?.checked_add(pointers)?
                    }
                };
                Some(Layout { size, align: elem.align, pointers })
            }
            Type::Struct(fields) => {
                let mut whole = Layout { size: 0, align: 1, pointers: 0 };
                let mut last = 1;
                for field in fields.iter() {
                    let own = self.layout_at(field.typ, depth)?;
                    whole.size = whole.size.checked_next_multiple_of(own.align)?;
                    if own.pointers > 0 {
                        whole.pointers = whole.size.checked_add(own.pointers)?;
                    }
                    whole.size = whole.size.checked_add(own.size)?;
                    whole.align = whole.align.max(own.align);
                    last = own.size;
                }
                // The address of a last field without size must not be that of what follows.
                if last == 0 && whole.size > 0 {
                    whole.size += 1;
                }
                whole.size = whole.size.checked_next_multiple_of(whole.align)?;
                Some(whole)
            }
            _ => None,
        }
    }

    pub(crate) fn size(&self, id: TypeId) -> Option<u64> {
        self.layout(id).map(|layout| layout.size)
    }

    pub(crate) fn has_pointers(&self, id: TypeId) -> bool {
        match &*self.under(id) {
            // What is returned by a call of several results, or of none.
            Type::Tuple(types) => types.iter().any(|typ| self.has_pointers(*typ)),
            _ => self.layout(id).is_none_or(|layout| layout.pointers > 0),
        }
    }

    pub(crate) fn is_interface(&self, id: TypeId) -> bool {
        matches!(&*self.under(id), Type::Interface(_))
    }

    pub(crate) fn is_array(&self, id: TypeId) -> bool {
        matches!(&*self.under(id), Type::Array { .. })
    }

    pub(crate) fn is_slice(&self, id: TypeId) -> bool {
        matches!(&*self.under(id), Type::Slice(_))
    }

    pub(crate) fn is_pointer(&self, id: TypeId) -> bool {
        matches!(&*self.under(id), Type::Pointer(_))
    }

    pub(crate) fn basic(&self, id: TypeId) -> Option<Basic> {
        match &*self.under(id) {
            Type::Basic(basic) => Some(*basic),
            _ => None,
        }
    }

    pub(crate) fn is_string(&self, id: TypeId) -> bool {
        self.basic(id).is_some_and(Basic::is_string)
    }

    pub(crate) fn is_uintptr(&self, id: TypeId) -> bool {
        self.basic(id) == Some(Basic::Uintptr)
    }

    pub(crate) fn is_unsafe_pointer(&self, id: TypeId) -> bool {
        self.basic(id) == Some(Basic::UnsafePointer)
    }

    /// What a pointer, slice, array, map or channel holds.
    pub(crate) fn elem(&self, id: TypeId) -> Option<TypeId> {
        match &*self.under(id) {
            Type::Pointer(elem)
            | Type::Slice(elem)
            | Type::Array { elem, .. }
            | Type::Map { elem, .. }
            | Type::Chan { elem, .. } => Some(*elem),
            _ => None,
        }
    }

    /// Whether an interface holds such a value in its own second word.
    pub(crate) fn is_direct(&self, id: TypeId, rules: &Rules) -> bool {
        if rules.any_pointer_word_is_direct {
            return self
                .layout(id)
                .is_some_and(|layout| layout.size == WORD && layout.pointers == WORD);
        }
        match &*self.under(id) {
            Type::Pointer(_) | Type::Map { .. } | Type::Chan { .. } | Type::Func(_) => true,
            Type::Basic(basic) => *basic == Basic::UnsafePointer,
            Type::Array { length: Some(1), elem } => self.is_direct(*elem, rules),
            Type::Struct(fields) => match &**fields {
                [one] => self.is_direct(one.typ, rules),
                _ => false,
            },
            _ => false,
        }
    }
}
