//! Expressions.

use crate::graph::{BLANK, Hole};
use crate::ir::{NodeId, Op};
use crate::leaks::Leaks;

use super::Builder;

impl Builder<'_> {
    /// Follows an expression whose value flows into a hole.
    pub(super) fn expr(&mut self, hole: Hole, id: NodeId) {
        let init = self.program().node(id).init.clone();
        self.statements(&init);
        self.expr_after_init(hole, id);
    }

    pub(super) fn expr_after_init(&mut self, mut hole: Hole, id: NodeId) {
        let program = self.program();
        let node = program.node(id);
        if hole.derefs >= 0 && !self.types().has_pointers(node.typ) {
            hole.to = BLANK;
        }
        match &node.op {
            Op::Literal(_)
            | Op::Nil
            | Op::Global(_)
            | Op::Function { .. }
            | Op::MethodExpr { .. } => {}
            Op::Name(var) => {
                let location = self.location(*var);
                self.graph.flow(hole, location);
            }
            Op::Unary(_, x) | Op::Receive(x) => self.discard(*x),
            Op::Binary(_, x, y) | Op::IndexMap(x, y) => {
                self.discard(*x);
                self.discard(*y);
            }
            Op::Addr(x) => {
                let address = self.note(hole.shift(-1), id, "address-of");
                self.expr(address, *x);
            }
            Op::Deref(x) => {
                let hole = self.deref(hole, id, "indirection");
                self.expr(hole, *x);
            }
            Op::Dot(x, _) => {
                let hole = self.note(hole, id, "dot");
                self.expr(hole, *x);
            }
            Op::DotPtr(x, _) => {
                let hole = self.deref(hole, id, "dot of pointer");
                self.expr(hole, *x);
            }
            Op::Assert(x) => {
                let hole = self.unboxed(hole, node.typ);
                let hole = self.note(hole, id, "dot");
                self.expr(hole, *x);
            }
            Op::IndexArray(x, index) => {
                let hole = self.note(hole, id, "fixed-array-index-of");
                self.expr(hole, *x);
                self.discard(*index);
            }
            Op::Index(x, index) => {
                let hole = self.deref(hole, id, "dot of pointer");
                self.expr(hole, *x);
                self.discard(*index);
            }
            Op::Slice { x, low, high, max } => {
                let hole = self.note(hole, id, "slice");
                self.expr(hole, *x);
                [low, high, max].into_iter().flatten().for_each(|index| self.discard(*index));
            }
            Op::Convert(x) | Op::ConvertNop(x) => {
                let from = program.node(*x).typ;
                if self.types().is_unsafe_pointer(node.typ) && self.types().is_uintptr(from) {
                    self.unsafe_value(hole, *x);
                } else {
                    self.expr(hole, *x);
                }
            }
            Op::ConvertIface(x) => {
                let from = program.node(*x).typ;
                if !self.types().is_interface(from)
                    && !self.types().is_direct(from, self.around.rules)
                {
                    hole = self.spill(hole, id);
                }
                let hole = self.note(hole, id, "interface-converted");
                self.expr(hole, *x);
            }
            Op::SliceToArray(x) => {
                let hole = self.deref(hole, id, "slice-to-array");
                self.expr(hole, *x);
            }
            Op::SliceToArrayPtr(x) => self.expr(hole, *x),
            Op::Call { .. } | Op::CallInterface { .. } | Op::Builtin { .. } => {
                self.call(Some(&[hole]), id);
            }
            Op::New => {
                self.spill(hole, id);
            }
            Op::MakeSlice { len, cap } => {
                self.spill(hole, id);
                self.discard(*len);
                cap.iter().for_each(|cap| self.discard(*cap));
            }
            Op::MakeChan(len) => len.iter().for_each(|len| self.discard(*len)),
            Op::MakeMap(len) => {
                self.spill(hole, id);
                len.iter().for_each(|len| self.discard(*len));
            }
            Op::MethodValue { x, callee, results, .. } => {
                let closure = self.spill(hole, id);
                // It is not known how it will be called: results may go anywhere.
                let results = vec![self.heap(); *results];
                let receiver = match callee {
                    Some(callee) => self.param_hole(Some(&results), callee, 0, *x),
                    None => self.heap(),
                };
                let both = self.tee(&[receiver, closure]);
                self.expr(both, *x);
            }
            Op::PtrLit(x) => {
                let inside = self.spill(hole, id);
                self.expr(inside, *x);
            }
            Op::ArrayLit(list) => {
                for &elem in list.iter() {
                    let hole = self.note(hole, id, "array literal element");
                    self.expr(hole, elem);
                }
            }
            Op::SliceLit { values, .. } => {
                let inside = self.spill(hole, id);
                for &elem in values.iter() {
                    let hole = self.note(inside, id, "slice-literal-element");
                    self.expr(hole, elem);
                }
            }
            Op::StructLit(list) => {
                for &elem in list.iter() {
                    let hole = self.note(hole, id, "struct literal element");
                    self.expr(hole, elem);
                }
            }
            Op::MapLit(pairs) => {
                self.spill(hole, id);
                for &(key, value) in pairs.iter() {
                    self.assign_heap(key, "map literal key", id);
                    self.assign_heap(value, "map literal value", id);
                }
            }
            Op::Closure(closure) => {
                let inside = self.spill(hole, id);
                self.closures.push((inside, *closure));
                for &var in &program.func(*closure).captures {
                    let location = self.location(var);
                    let depth = self.loop_depth;
                    let at = self.graph.at_mut(location);
                    if !at.is_captured {
                        at.is_captured = true;
                        // What is assigned before, in the same loop, is captured as it is.
                        if at.loop_depth == depth {
                            at.is_reassigned = false;
                        }
                    }
                }
                if program.func(*closure).is_attached {
                    self.follow(*closure);
                }
            }
            Op::ConvertText(x) => {
                self.spill(hole, id);
                self.discard(*x);
            }
            Op::Concat(list) => {
                self.spill(hole, id);
                list.iter().for_each(|x| self.discard(*x));
            }
            Op::Unresolved(list) => {
                for &part in list.iter() {
                    let heap = self.heap();
                    self.expr(heap, part);
                }
            }
            // A statement is no expression.
            _ => self.statement(id),
        }
    }

    pub(super) fn discard(&mut self, id: NodeId) {
        let hole = self.discarded();
        self.expr(hole, id);
    }

    /// What an interface's value of some type flows through: boxed ones are behind a pointer.
    pub(super) fn unboxed(&self, hole: Hole, typ: tophash_typecheck::TypeId) -> Hole {
        let types = self.types();
        if types.is_interface(typ) || types.is_direct(typ, self.around.rules) {
            hole
        } else {
            hole.shift(1)
        }
    }

    /// Follows arithmetic on addresses: what was a pointer still is one.
    pub(super) fn unsafe_value(&mut self, hole: Hole, id: NodeId) {
        let program = self.program();
        let node = program.node(id);
        let init = node.init.clone();
        self.statements(&init);
        match &node.op {
            Op::Convert(x) | Op::ConvertNop(x) => {
                if self.types().is_unsafe_pointer(program.node(*x).typ) {
                    self.expr(hole, *x);
                } else {
                    self.discard(*x);
                }
            }
            Op::DotPtr(x, _) => {
                if self.is_reflect_header(id) {
                    let hole = self.deref(hole, id, "reflect.Header.Data");
                    self.expr(hole, *x);
                } else {
                    self.discard(*x);
                }
            }
            Op::Unary(op, x) if *op != "!" => self.unsafe_value(hole, *x),
            Op::Binary("<<" | ">>", x, y) => {
                self.unsafe_value(hole, *x);
                self.discard(*y);
            }
            Op::Binary("+" | "-" | "|" | "^" | "*" | "/" | "%" | "&" | "&^", x, y) => {
                self.unsafe_value(hole, *x);
                self.unsafe_value(hole, *y);
            }
            _ => {
                let hole = self.discarded();
                self.expr_after_init(hole, id);
            }
        }
    }

    /// Leaks that a callee's parameter has, as a hole for its argument.
    pub(super) fn leaks_hole(&mut self, results: Option<&[Hole]>, leaks: Leaks) -> Hole {
        let mut holes = Vec::new();
        holes.extend(leaks.heap().map(|derefs| self.heap().shift(derefs.into())));
        holes.extend(leaks.mutator().map(|derefs| self.mutator().shift(derefs.into())));
        holes.extend(leaks.callee().map(|derefs| self.callee().shift(derefs.into())));
        for (index, result) in results.unwrap_or_default().iter().enumerate() {
            holes.extend(leaks.result(index).map(|derefs| result.shift(derefs.into())));
        }
        self.tee(&holes)
    }
}
