//! Composite literals.

use gosyn::ast::{Element, KeyedElement, LiteralValue};
use tophash_typecheck::{Type, TypeId};

use super::Lower;
use crate::ir::{NodeId, Op};

impl Lower<'_> {
    /// The braces of a literal; where `&` is left out, its address.
    pub(super) fn literal(&mut self, literal: &LiteralValue) -> NodeId {
        let typ = self.put(self.checked.literal(literal));
        let at = self.pos(literal.pos.0);
        if let Type::Pointer(elem) = *self.types.under(typ) {
            let inner = self.braces(literal, elem);
            return self.add(Op::PtrLit(inner), typ, at);
        }
        self.braces(literal, typ)
    }

    fn braces(&mut self, literal: &LiteralValue, typ: TypeId) -> NodeId {
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
                    values.push(self.element(&element.val, wanted));
                }
                Op::StructLit(values.into())
            }
            Type::Array { elem, .. } => Op::ArrayLit(self.values(literal, *elem).into()),
            Type::Slice(elem) => {
                let values = self.values(literal, *elem);
                let len = self.length(literal);
                Op::SliceLit { values: values.into(), len }
            }
            Type::Map { key, elem } => {
                let mut pairs = Vec::new();
                for element in &literal.values {
                    let Some(index) = &element.key else { continue };
                    let index = self.element(index, *key);
                    pairs.push((index, self.element(&element.val, *elem)));
                }
                Op::MapLit(pairs.into())
            }
            _ => {
                let parts = self.values(literal, TypeId::UNKNOWN);
                return self.unknown("the type of a literal", parts, typ, at);
            }
        };
        self.add(op, typ, at)
    }

    fn values(&mut self, literal: &LiteralValue, elem: TypeId) -> Vec<NodeId> {
        literal.values.iter().map(|element| self.element(&element.val, elem)).collect()
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

    fn element(&mut self, element: &Element, wanted: TypeId) -> NodeId {
        match element {
            Element::Expr(x) => self.converted(x, wanted),
            Element::LitValue(literal) => self.literal(literal),
        }
    }
}

fn field_name(element: &KeyedElement) -> Option<&str> {
    match &element.key {
        Some(Element::Expr(gosyn::ast::Expression::Ident(name))) => Some(&name.name),
        _ => None,
    }
}
