//! Loops, whose variables are new in each round from Go 1.22 on.
//!
//! A loop whose variables are captured or have their address taken is rewritten: the loop itself counts with a
//! variable of its own, and each round copies it into a new one and back. Other loops stay as they are.

use tophash_typecheck::ast::{self, Expression};
use tophash_typecheck::token::Operator;
use tophash_typecheck::{Type, TypeId};

use super::Lower;
use crate::ir::{NodeId, Op, Pos, VarId};

impl Lower<'_> {
    fn is_new_each_round(&self) -> bool {
        self.checked.go >= (1, 22)
    }

    pub(super) fn repeat(&mut self, repeat: &ast::ForStmt) -> NodeId {
        let at = self.pos(repeat.pos);
        let init = self.optional(repeat.init.as_deref());
        let cond = match repeat.cond.as_deref() {
            Some(ast::Statement::Expr(x)) => Some(self.expr(&x.expr)),
            _ => None,
        };
        let mut post = self.optional(repeat.post.as_deref());
        let mut body = self.statements(&repeat.body.list);
        let declared = self.declared_by(&init);
        let leaked: Vec<_> = declared
            .into_iter()
            .filter(|var| {
                let parts = cond.iter().chain(&post).chain(&body);
                self.is_new_each_round() && self.leaks(*var, parts)
            })
            .collect();
        if leaked.is_empty() {
            let post = post.pop();
            let id = self.add(Op::For { cond, post, body: body.into() }, TypeId::UNKNOWN, at);
            self.before(id, init);
            return id;
        }
        let mut inside = Vec::new();
        let mut back = Vec::new();
        for var in leaked {
            let counter = self.replace(&init, var, at);
            inside.push(self.copy(var, Some(var), counter, at));
            back.push(self.copy(counter, None, var, at));
        }
        inside.append(&mut post);
        if let Some(cond) = cond {
            let leave = self.add(Op::Branch, TypeId::UNKNOWN, at);
            let none = self.none();
            let op = Op::If { cond, then: [leave].into(), otherwise: none };
            inside.push(self.add(op, TypeId::UNKNOWN, at));
        }
        inside.append(&mut body);
        inside.append(&mut back);
        let op = Op::For { cond: None, post: None, body: inside.into() };
        let id = self.add(op, TypeId::UNKNOWN, at);
        self.before(id, init);
        id
    }

    fn declared_by(&self, init: &[NodeId]) -> Vec<VarId> {
        let mut declared = Vec::new();
        for &statement in init {
            for &before in self.program.node(statement).init.iter() {
                if let Op::Declare(var) = self.program.node(before).op {
                    declared.push(var);
                }
            }
        }
        declared
    }

    /// Whether a variable is captured or has its address taken in parts of a loop; what a `return` does with it
    /// leaves the loop, and does not count.
    fn leaks<'n>(&self, var: VarId, parts: impl Iterator<Item = &'n NodeId>) -> bool {
        parts.into_iter().any(|part| self.leaks_in(var, *part))
    }

    fn leaks_in(&self, var: VarId, part: NodeId) -> bool {
        let mut found = false;
        let mut returned = hashbrown::HashSet::new();
        self.program.visit(part, &mut |id, node| {
            if let Op::Return(_) = node.op {
                self.program.visit(id, &mut |inner, _| {
                    returned.insert(inner);
                });
            }
            if returned.contains(&id) {
                return;
            }
            match &node.op {
                Op::Closure(closure) => {
                    found |= self.program.func(*closure).captures.contains(&var);
                }
                Op::Addr(x) => found |= self.program.outer_name(*x) == Some(var),
                _ => {}
            }
        });
        found
    }

    /// Puts a variable of the loop's own in the place of one in its first statement.
    fn replace(&mut self, init: &[NodeId], var: VarId, at: Pos) -> VarId {
        let counter = self.temporary(self.program.var(var).typ, at);
        let mut places = Vec::new();
        for &statement in init {
            self.program.visit(statement, &mut |id, node| match node.op {
                Op::Name(it) | Op::Declare(it) if it == var => places.push(id),
                _ => {}
            });
        }
        for place in places {
            let node = &mut self.program.nodes[place.0 as usize];
            node.op = match node.op {
                Op::Declare(_) => Op::Declare(counter),
                _ => Op::Name(counter),
            };
        }
        let definition = self.program.var(var).definition;
        self.program.var_mut(counter).definition = definition;
        counter
    }

    /// `to := from`, or `to = from`.
    fn copy(&mut self, to: VarId, declares: Option<VarId>, from: VarId, at: Pos) -> NodeId {
        let target = self.name(to, at);
        let value = self.name(from, at);
        let defines = declares.is_some();
        let op = Op::Assign { to: Some(target), from: Some(value), defines };
        let id = self.add(op, TypeId::UNKNOWN, at);
        if let Some(var) = declares {
            let declared = self.declaration(var, at);
            self.before(id, vec![declared]);
            self.program.var_mut(var).definition = Some(id);
        }
        id
    }

    pub(super) fn range(&mut self, range: &ast::RangeStmt, out: &mut Vec<NodeId>) {
        let at = self.pos(range.pos.0);
        let defines = matches!(range.op, Some((_, Operator::Define)));
        let typ = self.type_of(super::bare(&range.expr));
        if matches!(&*self.types.under(typ), Type::Func(_)) {
            self.range_over_function(range, defines, at, out);
            return;
        }
        let mut declared = Vec::new();
        let mut key = self.range_target(range.key.as_ref(), defines, &mut declared);
        let mut value = self.range_target(range.value.as_ref(), defines, &mut declared);
        let x = self.expr(&range.expr);
        let mut body = self.statements(&range.body.list);
        let mut copied = Vec::new();
        if defines && self.is_new_each_round() {
            for target in [&mut key, &mut value] {
                let Some(Op::Name(var)) = target.map(|id| self.program.node(id).op.clone()) else {
                    continue;
                };
                if !self.leaks(var, body.iter()) {
                    continue;
                }
                let counter = self.temporary(self.program.var(var).typ, at);
                *target = Some(self.name(counter, at));
                declared.retain(|it| *it != var);
                let copy = self.copy(var, Some(var), counter, at);
                body.insert(0, copy);
                copied.push(var);
            }
        }
        let op = Op::Range { key, value, x, body: body.into() };
        let id = self.add(op, TypeId::UNKNOWN, at);
        // The copy counts as an assignment: what captures it in a loop further in holds its address.
        for var in copied {
            self.program.var_mut(var).definition = Some(id);
        }
        let mut init = Vec::new();
        for var in declared {
            self.program.var_mut(var).definition = Some(id);
            let place = self.program.var(var).at;
            init.push(self.declaration(var, place));
        }
        self.before(id, init);
        out.push(id);
    }

    fn range_target(
        &mut self,
        x: Option<&Expression>,
        defines: bool,
        declared: &mut Vec<VarId>,
    ) -> Option<NodeId> {
        let x = super::bare(x?);
        if let Expression::Ident(name) = x {
            if name.name == "_" {
                return None;
            }
            if defines {
                let var = self.defined(name)?;
                declared.push(var);
                let at = self.pos(name.pos);
                return Some(self.name(var, at));
            }
        }
        Some(self.expr(x))
    }
}
