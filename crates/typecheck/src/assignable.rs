//! Whether a value of one type can be assigned to a variable of another.

use crate::identical::is_exported;
use crate::lookup::FoundKind;
use crate::object::PackageId;
use crate::types::{Basic, Direction, Type, TypeId};
use crate::universe::Universe;

impl Universe {
    /// Whether a value of one type can be assigned to a variable of another, as the language says. What is
    /// unknown can't, nor be assigned to.
    pub fn assignable(&self, from: TypeId, to: TypeId) -> bool {
        if from.is_unknown() || to.is_unknown() {
            return false;
        }
        if self.identical(from, to) {
            return true;
        }
        let (from_under, to_under) = (self.underlying(from), self.underlying(to));
        let (from_shape, to_shape) = (self.get(from_under), self.get(to_under));
        if let Type::Basic(basic) = &*from_shape
            && basic.is_untyped()
        {
            return self.untyped_fits(*basic, to, &to_shape);
        }
        if let Type::Interface(_) = &*to_shape {
            return self.implements(from, to);
        }
        let is_name = |typ: TypeId| {
            matches!(&*self.get(typ), Type::Named { .. } | Type::TypeParam(_) | Type::Basic(_))
        };
        if is_name(from) && is_name(to) {
            return false;
        }
        if self.identical(from_under, to_under) {
            return true;
        }
        match (&*from_shape, &*to_shape) {
            (
                Type::Chan { direction: Direction::Both, elem: from },
                Type::Chan { elem: to, .. },
            ) => self.identical(*from, *to),
            _ => false,
        }
    }

    fn untyped_fits(&self, from: Basic, to: TypeId, shape: &Type) -> bool {
        match shape {
            Type::Basic(basic) if from == Basic::UntypedNil => *basic == Basic::UnsafePointer,
            Type::Basic(basic) => {
                (from.is_boolean() && basic.is_boolean())
                    || (from.is_string() && basic.is_string())
                    || (from.is_numeric() && basic.is_numeric())
            }
            Type::Interface(_) if from == Basic::UntypedNil => true,
            Type::Interface(_) => self.implements(from.default_type().id(), to),
            Type::Pointer(_)
            | Type::Slice(_)
            | Type::Map { .. }
            | Type::Chan { .. }
            | Type::Func(_) => from == Basic::UntypedNil,
            Type::TypeParam(_) => match &self.type_set(to).terms {
                Some(terms) => terms
                    .iter()
                    .all(|term| self.untyped_fits(from, term.typ, &self.under(term.typ))),
                None => false,
            },
            _ => false,
        }
    }

    /// Whether a type has all methods of an interface. What a constraint asks for besides is not looked at.
    pub fn implements(&self, typ: TypeId, interface: TypeId) -> bool {
        self.type_set(interface).methods.iter().all(|method| {
            // An unexported method is seen from its own package.
            let package =
                if is_exported(&method.name) { PackageId::UNIVERSE } else { method.package };
            let Some(found) = self.lookup(typ, package, &method.name) else { return false };
            let is_there = match found.kind {
                FoundKind::Field => false,
                FoundKind::InterfaceMethod => true,
                FoundKind::Method { pointer_receiver, .. } => {
                    !pointer_receiver
                        || found.is_indirect
                        || found.path.iter().any(|step| step.through_pointer)
                }
            };
            is_there && self.identical(found.typ, method.signature)
        })
    }
}
