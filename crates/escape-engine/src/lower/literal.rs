//! Composite literals.

use tophash_typecheck::ast::{Element, Expression, KeyedElement, LiteralValue};
use tophash_typecheck::{Type, TypeId};

use super::Lower;
use crate::ir::{NodeId, Op};

impl Lower<'_> {
    /// The braces of a literal; where `&` is left out, its address.
    /// `written` is its type where that is written, or what follows from the type around it.
    pub(super) fn literal(
        &mut self,
        literal: &LiteralValue,
        written: Option<&Expression>,
    ) -> NodeId {
        let typ = self.put(self.checked.literal(literal));
        let at = self.pos(literal.pos.0);
        if let Type::Pointer(elem) = *self.types.under(typ) {
            let pointed = written.and_then(pointed_to);
            let inner = self.braces(literal, elem, pointed);
            if let Some(pointed) = pointed {
                self.spell(inner, pointed);
            }
            return self.add(Op::PtrLit(inner), typ, at);
        }
        self.braces(literal, typ, written)
    }

    fn braces(
        &mut self,
        literal: &LiteralValue,
        typ: TypeId,
        written: Option<&Expression>,
    ) -> NodeId {
        let (key_written, elem_written) = parts_of(written);
        let at = self.pos(literal.pos.0);
        let op = match &*self.types.under(typ) {
            Type::Struct(fields) => {
                let mut values = Vec::new();
                for (index, element) in literal.values.iter().enumerate() {
                    let field = match field_name(element) {
                        Some(name) => fields.iter().find(|field| *field.name == *name),
                        None => fields.get(index),
                    };
                    let wanted = field.map_or(TypeId::UNKNOWN, |field| field.typ);
                    values.push(self.element(&element.val, wanted, None));
                }
                Op::StructLit(values.into())
            }
            Type::Array { elem, .. } => {
                Op::ArrayLit(self.values(literal, *elem, elem_written).into())
            }
            Type::Slice(elem) => {
                let values = self.values(literal, *elem, elem_written);
                let len = self.length(literal);
                Op::SliceLit { values: values.into(), len }
            }
            Type::Map { key, elem } => {
                let mut pairs = Vec::new();
                for element in &literal.values {
                    let Some(index) = &element.key else { continue };
                    let index = self.element(index, *key, key_written);
                    pairs.push((index, self.element(&element.val, *elem, elem_written)));
                }
                Op::MapLit(pairs.into())
            }
            _ => {
                let parts = self.values(literal, TypeId::UNKNOWN, None);
                return self.unknown("the type of a literal", parts, typ, at);
            }
        };
        self.add(op, typ, at)
    }

    fn values(
        &mut self,
        literal: &LiteralValue,
        elem: TypeId,
        written: Option<&Expression>,
    ) -> Vec<NodeId> {
        literal.values.iter().map(|element| self.element(&element.val, elem, written)).collect()
    }

    /// How long a slice literal is: keys may leave gaps.
    fn length(&self, literal: &LiteralValue) -> u64 {
        let (mut next, mut len) = (0_u64, 0);
        for element in &literal.values {
            if let Some(Element::Expr(key)) = &element.key
                && let Some(info) = self.checked.expr(key)
                && let Some(index) = info.value.as_ref().and_then(|value| value.as_int())
            {
                next = u64::try_from(index).unwrap_or(next);
            }
            next = next.saturating_add(1);
            len = len.max(next);
        }
        len
    }

    fn element(
        &mut self,
        element: &Element,
        wanted: TypeId,
        written: Option<&Expression>,
    ) -> NodeId {
        match element {
            Element::Expr(x) => self.converted(x, wanted),
            Element::LitValue(literal) => {
                let id = self.literal(literal, written);
                if let Some(written) = written
                    && !matches!(self.program.node(id).op, Op::PtrLit(_))
                {
                    self.spell(id, written);
                }
                id
            }
        }
    }
}

/// The types of keys and of elems as they are written in that of a literal.
fn parts_of(written: Option<&Expression>) -> (Option<&Expression>, Option<&Expression>) {
    match written {
        Some(Expression::TypeSlice(slice)) => (None, Some(&slice.typ)),
        Some(Expression::TypeArray(array)) => (None, Some(&array.typ)),
        Some(Expression::TypeMap(map)) => (Some(&map.key), Some(&map.val)),
        _ => (None, None),
    }
}

/// What a pointer's type, as it is written, points to.
fn pointed_to(written: &Expression) -> Option<&Expression> {
    match written {
        Expression::TypePointer(pointer) => Some(&pointer.typ),
        Expression::Star(pointer) => Some(&pointer.right),
        Expression::Operation(star) if star.y.is_none() => Some(&star.x),
        _ => None,
    }
}

fn field_name(element: &KeyedElement) -> Option<&str> {
    match &element.key {
        Some(Element::Expr(Expression::Ident(name))) => Some(&name.name),
        _ => None,
    }
}
