//! Composite literals, with those whose types are left out.

use gosyn::ast::{self, Element, Expression};

use crate::checker::Checker;
use crate::info::key;
use crate::operand::Operand;
use crate::types::{Basic, Field, Type, TypeId};

impl Checker<'_> {
    pub(crate) fn composite(&mut self, node: &ast::CompositeLit) -> Operand {
        // `[...]T{…}` has as many elements as are listed.
        if let Expression::TypeArray(array) = &*node.typ
            && let Expression::Ellipsis(_) = &*array.len
        {
            let elem = self.typ(&array.typ);
            let length = self.elements(&node.val, elem);
            let typ = self.array(length, elem);
            self.record_type(&node.typ, typ);
            self.note_literal(&node.val, typ);
            return Operand::value(typ);
        }
        let typ = self.typ(&node.typ);
        self.literal_value(&node.val, typ);
        Operand::value(typ)
    }

    fn note_literal(&self, node: &ast::LiteralValue, typ: TypeId) {
        if let Some(info) = self.info() {
            info.borrow_mut().literals.insert(key(node), typ);
        }
    }

    /// `{…}` of a type: a pointer where `&T` is left out.
    fn literal_value(&mut self, node: &ast::LiteralValue, typ: TypeId) {
        self.note_literal(node, typ);
        let mut core = self.universe.core_type(typ);
        if let Type::Pointer(elem) = *self.universe.get(core) {
            core = self.universe.core_type(elem);
        }
        let shape = self.universe.get(core);
        self.deeper(|checker| match &*shape {
            Type::Struct(fields) => checker.fields(node, fields),
            Type::Slice(elem) | Type::Array { elem, .. } => {
                checker.elements(node, *elem);
            }
            Type::Map { key, elem } => {
                for value in &node.values {
                    if let Some(listed) = &value.key {
                        checker.element(listed, *key);
                    }
                    checker.element(&value.val, *elem);
                }
            }
            _ => {
                for value in &node.values {
                    checker.element(&value.val, TypeId::UNKNOWN);
                }
            }
        });
    }

    fn fields(&mut self, node: &ast::LiteralValue, fields: &[Field]) {
        for (number, value) in node.values.iter().enumerate() {
            self.universe.steps(fields.len());
            let field = match &value.key {
                Some(Element::Expr(Expression::Ident(name))) => {
                    fields.iter().find(|field| *field.name == *name.name)
                }
                Some(_) => None,
                None => fields.get(number),
            };
            self.element(&value.val, field.map_or(TypeId::UNKNOWN, |field| field.typ));
        }
    }

    /// Elements of an array or slice. Returns how many there are, also of those left out.
    fn elements(&mut self, node: &ast::LiteralValue, elem: TypeId) -> Option<u64> {
        let (mut next, mut count) = (Some(0_u64), 0);
        for value in &node.values {
            if let Some(Element::Expr(index)) = &value.key {
                let mut operand = self.expr(index);
                self.convert_untyped(index, &mut operand, Basic::Int.id());
                let at = operand.value.and_then(|value| value.as_int());
                next = at.and_then(|at| u64::try_from(at).ok());
            }
            self.element(&value.val, elem);
            next = next.and_then(|next| next.checked_add(1));
            count = count.max(next?);
        }
        Some(count)
    }

    fn element(&mut self, element: &Element, typ: TypeId) {
        match element {
            Element::Expr(node) => {
                let mut operand = self.expr_for(node, Some(typ));
                self.assign(node, &mut operand, Some(typ));
            }
            Element::LitValue(value) => self.literal_value(value, typ),
        }
    }
}
