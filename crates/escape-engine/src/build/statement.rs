//! Statements.

use crate::graph::Hole;
use crate::ir::{Case, FuncId, ListKind, NodeId, Op, VarId};

use super::Builder;

impl Builder<'_> {
    pub(super) fn statements(&mut self, list: &[NodeId]) {
        for &statement in list {
            self.statement(statement);
        }
    }

    /// Statements after which the depth of loops is as before.
    pub(super) fn block(&mut self, list: &[NodeId]) {
        let depth = self.loop_depth;
        self.statements(list);
        self.loop_depth = depth;
    }

    pub(super) fn statement(&mut self, id: NodeId) {
        let program = self.program();
        let node = program.node(id);
        let init = node.init.clone();
        self.statements(&init);
        match &node.op {
            Op::Branch | Op::Goto(_) => {}
            Op::Declare(var) => {
                self.declare(*var);
            }
            Op::Label(name) => {
                if self.labels.get(name).copied().unwrap_or(false) {
                    self.loop_depth = self.loop_depth.saturating_add(1);
                }
            }
            Op::If { cond, then, otherwise } => {
                self.discard(*cond);
                self.block(then);
                self.block(otherwise);
            }
            Op::For { cond, post, body } => {
                self.loop_depth = self.loop_depth.saturating_add(1);
                cond.iter().for_each(|cond| self.discard(*cond));
                post.iter().for_each(|post| self.statement(*post));
                self.block(body);
                self.loop_depth -= 1;
            }
            Op::Range { key, value, x, body, .. } => {
                // What is ranged over is evaluated once, and lasts until the loop ends.
                let whole = self.temporary(true);
                self.expr(Hole::of(whole), *x);
                self.loop_depth = self.loop_depth.saturating_add(1);
                let key = self.address(*key);
                let value = self.address(*value);
                let hole = if self.types().is_array(program.node(*x).typ) {
                    self.note(value, id, "range")
                } else {
                    self.deref(value, id, "range-deref")
                };
                self.graph.flow(hole, whole);
                self.reassigned(&[key, value], id);
                self.block(body);
                self.loop_depth -= 1;
            }
            Op::Switch { tag, cases } => {
                tag.iter().for_each(|tag| self.discard(*tag));
                self.cases(cases);
            }
            Op::TypeSwitch { x, has_name, cases } => {
                let mut holes = Vec::new();
                if *has_name {
                    for case in cases.iter() {
                        let Some(var) = case.variable else { continue };
                        let hole = self.declare(var);
                        let typ = program.var(var).typ;
                        if self.types().has_pointers(typ) {
                            let hole = self.unboxed(hole, typ);
                            holes.push(self.note(hole, id, "switch case"));
                        }
                    }
                }
                let all = self.tee(&holes);
                self.expr(all, *x);
                for case in cases.iter() {
                    self.block(&case.body);
                }
            }
            Op::Select(cases) => {
                for case in cases.iter() {
                    self.statements(&case.list);
                    self.block(&case.body);
                }
            }
            Op::Send { channel, value } => {
                self.discard(*channel);
                self.assign_heap(*value, "send", id);
            }
            Op::Assign { to, from, .. } => {
                self.assign_list(&[*to], &[*from], "assign", id);
            }
            Op::Combine { to, from, .. } => {
                self.assign_list(&[Some(*to)], &[Some(*from)], "assign", id);
            }
            Op::AssignList { to, from, kind, .. } => {
                let why = match kind {
                    ListKind::Pairs => "assign-pair",
                    ListKind::Assertion => "assign-pair-dot-type",
                    ListKind::MapRead => "assign-pair-mapr",
                    ListKind::Receive => "assign-pair-receive",
                };
                let to: Vec<_> = to.iter().copied().map(Some).collect();
                let from: Vec<_> = from.iter().copied().map(Some).collect();
                self.assign_list(&to, &from, why, id);
            }
            Op::AssignCall { to, call, .. } => {
                let init = program.node(*call).init.clone();
                self.statements(&init);
                let holes: Vec<_> = to.iter().map(|to| self.address(Some(*to))).collect();
                self.call(Some(&holes), *call);
                self.reassigned(&holes, id);
            }
            Op::Return(list) => {
                let results = program.func(self.function).results.clone();
                self.returned(&results, list, id);
            }
            Op::Call { .. } | Op::CallInterface { .. } | Op::Builtin { .. } => self.call(None, id),
            Op::Go(call) => self.deferred(*call, false),
            Op::Defer(call) => self.deferred(*call, true),
            // Any other expression, for what it does.
            _ => {
                let hole = self.discarded();
                self.expr_after_init(hole, id);
            }
        }
    }

    fn cases(&mut self, cases: &[Case]) {
        for case in cases {
            case.list.iter().for_each(|value| self.discard(*value));
            self.block(&case.body);
        }
    }

    fn declare(&mut self, var: VarId) -> Hole {
        let location = self.location(var);
        self.graph.at_mut(location).loop_depth = self.loop_depth;
        Hole::of(location)
    }

    fn returned(&mut self, results: &[VarId], list: &[NodeId], id: NodeId) {
        let holes: Vec<_> = results.iter().map(|var| Hole::of(self.location(*var))).collect();
        for (index, hole) in holes.iter().enumerate() {
            let hole = self.note(*hole, id, "return");
            list.get(index).iter().for_each(|value| self.expr(hole, **value));
        }
        self.reassigned(&holes, id);
    }

    /// What `go` and `defer` run: the tree has it as a call without arguments.
    fn deferred(&mut self, call: NodeId, is_defer: bool) {
        let mut hole = self.heap();
        if is_defer && self.loop_depth == 1 {
            // It has to last until the function returns, and no longer.
            let later = self.temporary(true);
            let discarded = self.discarded();
            self.graph.flow(discarded, later);
            hole = Hole::of(later);
        }
        let node = self.program().node(call);
        let init = node.init.clone();
        self.statements(&init);
        match &node.op {
            Op::Call { function, .. } => self.expr(hole, *function),
            _ => self.expr_after_init(hole, call),
        }
    }
}

/// The declared function around a function.
pub(super) fn outermost(builder: &Builder<'_>, id: FuncId) -> FuncId {
    builder.program().outermost(id)
}
