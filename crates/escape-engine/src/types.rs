//! What escape analysis asks of a type: its size, whether it holds pointers, how an interface stores it.
//!
//! Sizes are those of the gc compiler for linux/amd64. Of a type that could not be resolved it is assumed
//! that it holds pointers and has no size: so nothing that may flow is lost, and no limit is said to be
//! passed.

use tophash_typecheck::{Basic, Type, TypeId, Universe};

use crate::version::Rules;

const WORD: u64 = 8;
/// Types of a universe.
pub(crate) struct Types<'u> {
    pub(crate) universe: &'u Universe,
}

impl<'u> Types<'u> {
    pub(crate) fn new(universe: &'u Universe) -> Self {
        Self { universe }
    }

    pub(crate) fn under(&self, id: TypeId) -> std::rc::Rc<Type> {
        self.universe.under(id)
    }

    pub(crate) fn size(&self, id: TypeId) -> Option<u64> {
        self.universe.size_of(id)
    }

    pub(crate) fn has_pointers(&self, id: TypeId) -> bool {
        match &*self.under(id) {
            // What is returned by a call of several results, or of none.
            Type::Tuple(types) => types.iter().any(|typ| self.has_pointers(*typ)),
            _ => self.universe.has_pointers(id).unwrap_or(true),
        }
    }

    /// Whether values hold pointers other than those of strings.
    pub(crate) fn has_pointers_but_strings(&self, id: TypeId) -> bool {
        if !self.has_pointers(id) {
            return false;
        }
        match &*self.under(id) {
            Type::Basic(basic) => !basic.is_string(),
            Type::Struct(fields) => {
                fields.iter().any(|field| self.has_pointers_but_strings(field.typ))
            }
            Type::Array { elem, .. } => self.has_pointers_but_strings(*elem),
            _ => true,
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
            return self.universe.size_of(id) == Some(WORD)
                && self.universe.pointer_bytes(id) == Some(WORD);
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
