//! `x.f`: names of packages, fields, methods.

use std::rc::Rc;

use gosyn::ast;

use crate::checker::Checker;
use crate::info::{Adjust, Mode, Selection, SelectionKind, key};
use crate::lookup::{Found, FoundKind};
use crate::operand::Operand;
use crate::types::{Param, Signature, Type, TypeId};

impl Checker<'_> {
    pub(crate) fn selector(&mut self, node: &ast::Selector) -> Operand {
        if let Some(package) = self.package_named(&node.x) {
            let member = package.and_then(|package| self.universe.member(package, &node.sel.name));
            let Some(object) = member else { return Operand::unknown() };
            self.record_use(&node.sel, object);
            return self.object_operand(object);
        }
        let operand = self.expr(&node.x);
        self.selected = operand.typ;
        if operand.typ.is_unknown() {
            return Operand::unknown();
        }
        let Some(found) = self.universe.lookup(operand.typ, self.package, &node.sel.name) else {
            return Operand::unknown();
        };
        if operand.mode == Mode::Type {
            return self.method_expression(node, operand.typ, found);
        }
        let kind = match found.kind {
            FoundKind::Field => SelectionKind::Field,
            FoundKind::InterfaceMethod => SelectionKind::InterfaceMethod,
            FoundKind::Method { method, pointer_receiver } => {
                let value = found.path.last().map_or(operand.typ, |step| step.typ);
                let is_pointer = matches!(&*self.universe.under(value), Type::Pointer(_));
                let adjust = match (pointer_receiver, is_pointer) {
                    (true, false) => Adjust::Address,
                    (false, true) => Adjust::Deref,
                    _ => Adjust::None,
                };
                SelectionKind::Method { method, adjust, pointer_receiver }
            }
        };
        let follows = found.is_indirect || found.path.iter().any(|step| step.through_pointer);
        let is_variable =
            kind == SelectionKind::Field && (operand.mode == Mode::Variable || follows);
        let typ = found.typ;
        self.select(node, Selection { kind, receiver: operand.typ, path: found.path, typ });
        if is_variable { Operand::variable(typ) } else { Operand::value(typ) }
    }

    fn select(&self, node: &ast::Selector, selection: Selection) {
        let Some(info) = self.info() else { return };
        let mut info = info.borrow_mut();
        if let SelectionKind::Method { method, .. }
        | SelectionKind::MethodExpr { method: Some(method) } = selection.kind
        {
            info.uses.insert(key(&node.sel), method);
        }
        info.selections.insert(key(node), selection);
    }

    /// `T.f`: a function that takes the receiver first.
    fn method_expression(
        &mut self,
        node: &ast::Selector,
        receiver: TypeId,
        found: Found,
    ) -> Operand {
        let method = match found.kind {
            FoundKind::Field => return Operand::unknown(),
            FoundKind::Method { method, .. } => Some(method),
            FoundKind::InterfaceMethod => None,
        };
        let Type::Func(signature) = &*self.universe.get(found.typ) else {
            return Operand::unknown();
        };
        let first = Param { name: "_".into(), typ: receiver };
        let params: Rc<[Param]> =
            std::iter::once(first).chain(signature.params.iter().cloned()).collect();
        let typ = self.universe.intern(Type::Func(Signature { params, ..signature.clone() }));
        let kind = SelectionKind::MethodExpr { method };
        self.select(node, Selection { kind, receiver, path: found.path, typ });
        Operand::value(typ)
    }
}
