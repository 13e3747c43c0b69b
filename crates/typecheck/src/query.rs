//! Questions about types that whoever analyses a checked package asks, and the checker itself.

use crate::constant::Value;
use crate::object::{ObjectId, ObjectKind};
use crate::types::{Basic, Type, TypeId};
use crate::universe::Universe;

impl Universe {
    /// Returns the type of an object, which is resolved if it was not.
    pub fn type_of(&self, object: ObjectId) -> TypeId {
        let found = self.object(object);
        // A defined type is known by its name before what follows it is.
        if found.kind != (ObjectKind::TypeName { is_alias: false }) {
            self.resolve(object);
        }
        found.typ.get()
    }

    /// Returns the value of a constant.
    pub fn value_of(&self, object: ObjectId) -> Option<Value> {
        self.resolve(object);
        self.object(object).value.borrow().clone()
    }

    /// Returns the type parameters that a generic type or function has, in order, as types: of a method, those
    /// of its receiver and then its own. [`Self::substitute`] puts arguments in for them.
    pub fn type_params(&self, object: ObjectId) -> Vec<TypeId> {
        self.resolve(object);
        let found = self.object(object);
        let mut params = found.type_params.borrow().to_vec();
        if let Type::Func(signature) = &*self.get(found.typ.get())
            && let ObjectKind::Func { .. } = found.kind
        {
            params.extend_from_slice(&signature.type_params);
        }
        params
    }

    /// Returns the type of a method's receiver without its pointer, and whether it is one.
    pub fn receiver_of(&self, method: ObjectId) -> Option<(TypeId, bool)> {
        let found = self.object(method);
        let ObjectKind::Func { is_method: true } = found.kind else { return None };
        self.resolve(method);
        Some(self.dereferenced(found.definition.get()))
    }

    /// Returns what `range` yields: types of the first and second value. Unknown where it can't be told.
    pub fn range_types(&self, typ: TypeId) -> (Option<TypeId>, Option<TypeId>) {
        let int = Some(Basic::Int.id());
        match &*self.get(self.core_string(typ)) {
            Type::Basic(basic) if basic.is_string() => (int, Some(Basic::Int32.id())),
            Type::Basic(basic) if basic.is_integer() => (Some(typ), None),
            Type::Slice(elem) | Type::Array { elem, .. } => (int, Some(*elem)),
            Type::Pointer(array) => match &*self.get(self.core_type(*array)) {
                Type::Array { elem, .. } => (int, Some(*elem)),
                _ => (Some(TypeId::UNKNOWN), Some(TypeId::UNKNOWN)),
            },
            Type::Map { key, elem } => (Some(*key), Some(*elem)),
            Type::Chan { elem, .. } => (Some(*elem), None),
            Type::Func(signature) => {
                let yields =
                    signature.params.first().map(|param| self.get(self.core_type(param.typ)));
                match yields.as_deref() {
                    Some(Type::Func(yields)) => (
                        yields.params.first().map(|param| param.typ),
                        yields.params.get(1).map(|param| param.typ),
                    ),
                    _ => (Some(TypeId::UNKNOWN), Some(TypeId::UNKNOWN)),
                }
            }
            _ => (Some(TypeId::UNKNOWN), Some(TypeId::UNKNOWN)),
        }
    }

    /// The predeclared type that a type is behind its name, if any.
    pub(crate) fn basic(&self, typ: TypeId) -> Option<Basic> {
        match &*self.under(typ) {
            Type::Basic(basic) => Some(*basic),
            _ => None,
        }
    }

    /// Whether it is the type of a constant that has none yet, or of `nil`.
    pub fn is_untyped(&self, typ: TypeId) -> bool {
        matches!(&*self.get(typ), Type::Basic(basic) if basic.is_untyped())
    }

    /// The type that a value takes where nothing asks for another.
    pub fn default_type(&self, typ: TypeId) -> TypeId {
        match &*self.get(typ) {
            Type::Basic(basic) => basic.default_type().id(),
            _ => typ,
        }
    }
}
