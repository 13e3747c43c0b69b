//! Whether two types are the same, whatever their parameters are named.

use std::cell::Cell;

use crate::types::{Interface, Method, Param, Signature, Type, TypeId};
use crate::universe::Universe;

/// Types that nest deeper are taken for different.
const MAX_DEPTH: u32 = 100;

/// So many parts of two types are compared; those of more are taken for different.
const MAX_PARTS: u32 = 100_000;

/// How far a comparison may still go.
#[derive(Clone, Copy)]
struct Bound<'a> {
    depth: u32,
    parts: &'a Cell<u32>,
}

impl Bound<'_> {
    fn deeper(self) -> Option<Self> {
        let parts = self.parts.get().checked_sub(1)?;
        self.parts.set(parts);
        Some(Self { depth: self.depth.checked_sub(1)?, ..self })
    }
}

impl Universe {
    /// Whether two types are the same: whatever their parameters are named. What is unknown is the same as
    /// nothing else.
    pub fn identical(&self, left: TypeId, right: TypeId) -> bool {
        let parts = Cell::new(MAX_PARTS);
        self.same(left, right, Bound { depth: MAX_DEPTH, parts: &parts })
    }

    fn same(&self, left: TypeId, right: TypeId, depth: Bound<'_>) -> bool {
        if left == right {
            return true;
        }
        let Some(depth) = depth.deeper().filter(|_| self.step()) else { return false };
        let same = |left: TypeId, right: TypeId| self.same(left, right, depth);
        match (&*self.get(left), &*self.get(right)) {
            (
                Type::Named { object: left, args: left_args },
                Type::Named { object: right, args: right_args },
            ) => left == right && all(left_args, right_args, |left, right| same(*left, *right)),
            (Type::Pointer(left), Type::Pointer(right))
            | (Type::Slice(left), Type::Slice(right)) => same(*left, *right),
            (
                Type::Array { length: left_length, elem: left },
                Type::Array { length: right_length, elem: right },
            ) => left_length == right_length && left_length.is_some() && same(*left, *right),
            (
                Type::Map { key: left_key, elem: left },
                Type::Map { key: right_key, elem: right },
            ) => same(*left_key, *right_key) && same(*left, *right),
            (
                Type::Chan { direction: left_way, elem: left },
                Type::Chan { direction: right_way, elem: right },
            ) => left_way == right_way && same(*left, *right),
            (Type::Tuple(left), Type::Tuple(right)) => {
                all(left, right, |left, right| same(*left, *right))
            }
            (Type::Func(left), Type::Func(right)) => self.same_signature(left, right, depth),
            (Type::Struct(left), Type::Struct(right)) => all(left, right, |left, right| {
                left.name == right.name
                    && left.is_embedded == right.is_embedded
                    && left.tag == right.tag
                    && (is_exported(&left.name) || left.package == right.package)
                    && same(left.typ, right.typ)
            }),
            (Type::Interface(left_listed), Type::Interface(right_listed)) => {
                self.same_interface((left, left_listed), (right, right_listed), depth)
            }
            _ => false,
        }
    }

    fn same_signature(&self, left: &Signature, right: &Signature, depth: Bound<'_>) -> bool {
        let same = |left: &Param, right: &Param| self.same(left.typ, right.typ, depth);
        left.is_variadic == right.is_variadic
            && left.type_params.len() == right.type_params.len()
            && all(&left.params, &right.params, same)
            && all(&left.results, &right.results, same)
    }

    fn same_interface(
        &self,
        (left, left_listed): (TypeId, &Interface),
        (right, right_listed): (TypeId, &Interface),
        depth: Bound<'_>,
    ) -> bool {
        let same = |left: &Method, right: &Method| {
            left.name == right.name
                && (is_exported(&left.name) || left.package == right.package)
                && self.same(left.signature, right.signature, depth)
        };
        if left_listed.embeds.is_empty() && right_listed.embeds.is_empty() {
            return left_listed.is_comparable == right_listed.is_comparable
                && all(&left_listed.methods, &right_listed.methods, same);
        }
        let (left, right) = (self.type_set(left), self.type_set(right));
        left.is_comparable == right.is_comparable
            && left.terms.is_some() == right.terms.is_some()
            && all(&left.methods, &right.methods, same)
            && match (&left.terms, &right.terms) {
                (Some(left), Some(right)) => all(left, right, |left, right| {
                    left.is_approximate == right.is_approximate
                        && self.same(left.typ, right.typ, depth)
                }),
                _ => true,
            }
    }
}

fn all<T>(left: &[T], right: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
}

/// Whether other packages see this name.
pub(crate) fn is_exported(name: &str) -> bool {
    name.chars().next().is_some_and(char::is_uppercase)
}
