//! Conversions, those that are written and those that are not.

use tophash_typecheck::ast::Expression;
use tophash_typecheck::{Basic, Mode, Type, TypeId};

use super::Lower;
use crate::ir::{NodeId, Op, Pos};

impl Lower<'_> {
    /// An expression where a type is asked for.
    pub(super) fn converted(&mut self, x: &Expression, to: TypeId) -> NodeId {
        let node = self.expr(x);
        let at = self.place(x);
        self.implicit_conversion(node, to, at)
    }

    pub(super) fn implicit_conversion(&mut self, x: NodeId, to: TypeId, at: Pos) -> NodeId {
        let from = self.typ(x);
        if to.is_unknown() || from.is_unknown() || self.universe.identical(from, to) {
            return x;
        }
        if matches!(self.program.node(x).op, Op::Nil) {
            self.program.nodes[x.0 as usize].typ = to;
            return x;
        }
        let op = self.conversion(x, to);
        self.implicit(op, to, at)
    }

    /// `T(x)`.
    pub(super) fn explicit_conversion(&mut self, x: &Expression, to: TypeId) -> NodeId {
        let node = self.expr(x);
        let at = self.place(x);
        if matches!(self.program.node(node).op, Op::Nil) {
            self.program.nodes[node.0 as usize].typ = to;
        }
        // A constant string becomes a literal of its characters.
        let is_constant = self.checked.expr(x).is_some_and(|info| info.mode == Mode::Constant);
        if is_constant
            && self.types.is_string(self.typ(node))
            && let Some(elem) = self.types.elem(to)
            && self.types.basic(elem) == Some(Basic::Int32)
            && let Some(tophash_typecheck::Value::String(text)) =
                self.checked.expr(x).and_then(|info| info.value.clone())
        {
            let len = String::from_utf8_lossy(&text).chars().count() as u64;
            let values = self.none();
            let op = match len {
                0 => Op::SliceLit { values, len },
                // The contents hold no pointers; that there are some is all that is printed.
                _ => Op::SliceLit { values: [node].into(), len },
            };
            return self.add(op, to, at);
        }
        let op = self.conversion(node, to);
        self.add(op, to, at)
    }

    fn conversion(&self, x: NodeId, to: TypeId) -> Op {
        let from = self.typ(x);
        if self.universe.identical(from, to) {
            return Op::ConvertNop(x);
        }
        if self.types.is_interface(to) {
            return Op::ConvertIface(x);
        }
        let (source, target) = (self.types.under(from), self.types.under(to));
        match (&*source, &*target) {
            (Type::Basic(source), Type::Basic(target)) => match (source, target) {
                (from, to) if from.is_string() && to.is_string() => Op::ConvertNop(x),
                (from, to) if from.is_integer() && to.is_string() => Op::ConvertText(x),
                (Basic::UnsafePointer, _) | (_, Basic::UnsafePointer) => Op::ConvertNop(x),
                (from, to) if from == to && !from.is_float() && !from.is_complex() => {
                    Op::ConvertNop(x)
                }
                _ => Op::Convert(x),
            },
            (Type::Slice(_), Type::Basic(target)) if target.is_string() => Op::ConvertText(x),
            (Type::Basic(source), Type::Slice(_)) if source.is_string() => Op::ConvertText(x),
            (Type::Slice(_), Type::Array { .. }) => Op::SliceToArray(x),
            (Type::Slice(_), Type::Pointer(elem))
                if matches!(&*self.types.under(*elem), Type::Array { .. }) =>
            {
                Op::SliceToArrayPtr(x)
            }
            _ => Op::ConvertNop(x),
        }
    }
}
