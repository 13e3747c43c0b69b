//! Questions about types that whoever analyses a checked package asks.

use std::rc::Rc;

use crate::constant::Value;
use crate::info::Step;
use crate::object::{ObjectId, PackageId};
use crate::type_set::TypeSet;
use crate::types::{Type, TypeId};
use crate::universe::Universe;

/// A field or method that was found by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// What it is.
    pub kind: FoundKind,
    /// The embedded fields passed on the way, and the field itself if it is one.
    pub path: Vec<Step>,
    /// The field's type, or the method's signature.
    pub typ: TypeId,
    /// Whether a pointer was followed on the way.
    pub is_indirect: bool,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundKind {
    /// A field.
    Field,
    /// A declared method, and whether its receiver is a pointer.
    Method {
        /// Its declaration.
        method: ObjectId,
        /// Whether its receiver is a pointer.
        pointer_receiver: bool,
    },
    /// A method of an interface.
    InterfaceMethod,
}

impl Universe {
    /// Returns the type behind a type's name.
    pub fn underlying(&self, _typ: TypeId) -> TypeId {
        TypeId::UNKNOWN
    }

    /// Returns the structure of the type behind a type's name.
    pub fn under(&self, typ: TypeId) -> Rc<Type> {
        self.get(self.underlying(typ))
    }

    /// Returns the type of an object, which is resolved if it was not.
    pub fn type_of(&self, _object: ObjectId) -> TypeId {
        TypeId::UNKNOWN
    }

    /// Returns the value of a constant.
    pub fn value_of(&self, _object: ObjectId) -> Option<Value> {
        None
    }

    /// Spells a type as Go does, with the whole paths of packages and without names of parameters.
    pub fn spell(&self, _typ: TypeId) -> String {
        String::new()
    }

    /// Whether two types are the same: whatever their parameters are named.
    pub fn identical(&self, left: TypeId, right: TypeId) -> bool {
        left == right
    }

    /// Whether it is an interface, and no type parameter.
    pub fn is_interface(&self, typ: TypeId) -> bool {
        matches!(&*self.under(typ), Type::Interface(_))
    }

    /// Returns what an interface stands for.
    pub fn type_set(&self, _interface: TypeId) -> Rc<TypeSet> {
        Rc::new(TypeSet::default())
    }

    /// Returns the one underlying type that all types of a type parameter or interface have, or the type's own.
    pub fn core_type(&self, typ: TypeId) -> TypeId {
        self.underlying(typ)
    }

    /// Finds a field or method as `x.name` in a package would.
    pub fn lookup(&self, _typ: TypeId, _package: PackageId, _name: &str) -> Option<Found> {
        None
    }

    /// Returns the size of a type's values in bytes, as gc lays them out on amd64. None for type parameters and
    /// what is unknown.
    pub fn size_of(&self, _typ: TypeId) -> Option<u64> {
        None
    }

    /// Returns the alignment of a type's values.
    pub fn align_of(&self, _typ: TypeId) -> Option<u64> {
        None
    }

    /// Returns the offsets of a struct's fields.
    pub fn offsets_of(&self, _typ: TypeId) -> Option<Vec<u64>> {
        None
    }

    /// Returns how many bytes from a value's start may hold pointers: 0 if none does.
    pub fn pointer_bytes(&self, _typ: TypeId) -> Option<u64> {
        None
    }

    /// Whether a type's values hold pointers. None for type parameters and what is unknown.
    pub fn has_pointers(&self, typ: TypeId) -> Option<bool> {
        self.pointer_bytes(typ).map(|bytes| bytes > 0)
    }

    /// Whether an interface holds such a value as its word, without a box.
    pub fn is_direct_interface(&self, _typ: TypeId) -> Option<bool> {
        None
    }

    /// Returns what `range` yields: types of the first and second value.
    pub fn range_types(&self, _typ: TypeId) -> (Option<TypeId>, Option<TypeId>) {
        (None, None)
    }

    /// Returns the type of a method's receiver without its pointer, and whether it is one.
    pub fn receiver_of(&self, _method: ObjectId) -> Option<(TypeId, bool)> {
        None
    }

    /// Returns how the linker and the compiler's messages name a function: `net/http.(*Client).Do`.
    pub fn full_name(&self, _function: ObjectId) -> String {
        String::new()
    }
}
