//! Statements.

use std::rc::Rc;

use tophash_typecheck::ast::{self, Expression, Statement};
use tophash_typecheck::token::{Keyword, Operator};
use tophash_typecheck::{Builtin, CallKind, TypeId, Value};

use super::Lower;
use crate::ir::{Case, ListKind, Literal, NodeId, Op, Pos, VarId};

impl Lower<'_> {
    pub(super) fn statements(&mut self, list: &[Statement]) -> Vec<NodeId> {
        let mut out = Vec::new();
        let is_label = |statement: &Statement| matches!(statement, Statement::Label(_));
        let last_label = list.iter().rposition(is_label);
        let mut is_dead = false;
        for (index, statement) in list.iter().enumerate() {
            // What can't be reached is not compiled, unless a jump may lead behind it.
            if is_dead && last_label.is_none_or(|label| index > label) && !is_label(statement) {
                continue;
            }
            self.statement(statement, &mut out);
            is_dead = self.ends(statement);
        }
        out
    }

    /// Whether what comes after a statement is never reached, as far as the compiler sees it early.
    fn ends(&self, statement: &Statement) -> bool {
        match statement {
            Statement::Branch(branch) => branch.key == Keyword::Goto,
            Statement::Return(_) => true,
            Statement::Expr(x) => match super::bare(&x.expr) {
                Expression::Call(call) => self
                    .checked
                    .call(call)
                    .is_some_and(|info| info.kind == CallKind::Builtin(Builtin::Panic)),
                _ => false,
            },
            Statement::If(branch) => {
                let fixed = self.fixed(&branch.cond).map(|(value, _)| value);
                let ends = |list: &[Statement]| {
                    let last = list.iter().rev().find(|it| !matches!(it, Statement::Empty(_)));
                    last.is_some_and(|last| self.ends(last))
                };
                (fixed == Some(false) || ends(&branch.body.list))
                    && (fixed == Some(true)
                        || branch.else_.as_deref().is_some_and(|other| self.ends(other)))
            }
            Statement::Block(block) => {
                let last = block.list.iter().rev().find(|it| !matches!(it, Statement::Empty(_)));
                last.is_some_and(|last| self.ends(last))
            }
            _ => false,
        }
    }

    pub(super) fn optional(&mut self, statement: Option<&Statement>) -> Vec<NodeId> {
        let mut out = Vec::new();
        statement.iter().for_each(|statement| self.statement(statement, &mut out));
        out
    }

    pub(super) fn statement(&mut self, statement: &Statement, out: &mut Vec<NodeId>) {
        match statement {
            Statement::Empty(_) => {}
            Statement::Expr(x) => {
                let id = self.expr(&x.expr);
                out.push(id);
            }
            Statement::Block(block) => out.extend(self.statements(&block.list)),
            Statement::Declaration(ast::DeclStmt::Variable(variables)) => {
                for spec in &variables.specs {
                    self.local_variables(spec, out);
                }
            }
            Statement::Declaration(_) => {}
            Statement::Assign(assign) => out.push(self.assignment(assign)),
            Statement::IncDec(step) => {
                let to = self.expr(&step.expr);
                let at = self.pos(step.pos);
                let one = Literal { text: "1".into(), raw: "1".into(), int: Some(1), length: None };
                let from = self.add(Op::Literal(one), self.typ(to), at);
                let op = if step.op == Operator::Inc { "+" } else { "-" };
                out.push(self.add(
                    Op::Combine { to, op, from, is_step: true },
                    TypeId::UNKNOWN,
                    at,
                ));
            }
            Statement::Go(go) => {
                let at = self.pos(go.pos);
                out.push(self.deferred(&go.call, at, false));
            }
            Statement::Defer(defer) => {
                let at = self.pos(defer.pos);
                out.push(self.deferred(&defer.call, at, true));
            }
            Statement::Return(returned) => self.returned(returned, out),
            Statement::Branch(branch) => {
                let at = self.pos(branch.pos);
                let op = match (&branch.key, &branch.ident) {
                    (Keyword::Goto, Some(label)) => Op::Goto(label.name.as_str().into()),
                    _ => Op::Branch,
                };
                out.push(self.add(op, TypeId::UNKNOWN, at));
            }
            Statement::Label(label) => {
                let at = self.pos(label.name.pos);
                let op = Op::Label(label.name.name.as_str().into());
                out.push(self.add(op, TypeId::UNKNOWN, at));
                self.statement(&label.stmt, out);
            }
            Statement::If(branch) => self.conditional(branch, out),
            Statement::For(repeat) => out.push(self.repeat(repeat)),
            Statement::Range(range) => self.range(range, out),
            Statement::Switch(switch) => out.push(self.switch(switch)),
            Statement::TypeSwitch(switch) => out.push(self.type_switch(switch)),
            Statement::Select(select) => out.push(self.select(select)),
            Statement::Send(send) => {
                let channel = self.expr(&send.chan);
                let elem = self.types.elem(self.typ(channel)).unwrap_or(TypeId::UNKNOWN);
                let value = self.converted(&send.value, elem);
                let at = self.pos(send.pos);
                out.push(self.add(Op::Send { channel, value }, TypeId::UNKNOWN, at));
            }
        }
    }

    fn local_variables(&mut self, spec: &ast::VarSpec, out: &mut Vec<NodeId>) {
        let Some(first) = spec.name.first() else { return };
        let at = self.pos(first.pos);
        if spec.values.is_empty() {
            for name in &spec.name {
                let Some(var) = self.defined(name) else { continue };
                let at = self.pos(name.pos);
                let declared = self.declaration(var, at);
                let to = self.name(var, at);
                let op = Op::Assign { to: Some(to), from: None, defines: false };
                let id = self.add(op, TypeId::UNKNOWN, at);
                self.before(id, vec![declared]);
                out.push(id);
            }
            return;
        }
        let targets: Vec<Target> = spec.name.iter().map(|name| self.define(name)).collect();
        out.push(self.assigned(targets, &spec.values, at));
    }

    /// The variable that a name declares; none for `_`.
    pub(super) fn defined(&mut self, name: &ast::Ident) -> Option<VarId> {
        let object = self.checked.definition(name)?;
        let at = self.pos(name.pos);
        Some(self.local(object, at))
    }

    fn define(&mut self, name: &ast::Ident) -> Target {
        let at = self.pos(name.pos);
        match self.defined(name) {
            Some(var) => Target { to: Some(self.name(var, at)), declares: Some(var), at },
            None => Target { to: None, declares: None, at },
        }
    }

    fn target(&mut self, x: &Expression, defines: bool) -> Target {
        let at = self.place(x);
        if let Expression::Ident(name) = super::bare(x) {
            if name.name == "_" {
                return Target { to: None, declares: None, at };
            }
            if defines && self.checked.definition(name).is_some() {
                return self.define(name);
            }
        }
        Target { to: Some(self.expr(x)), declares: None, at }
    }

    fn assignment(&mut self, assign: &ast::AssignStmt) -> NodeId {
        let at = self.pos(assign.pos);
        let defines = assign.op == Operator::Define;
        if !defines && assign.op != Operator::Assign {
            return self.combined(assign, at);
        }
        // Of `:=` the right side does not see the variables, but their places come first.
        let targets: Vec<_> = assign.left.iter().map(|x| self.target(x, defines)).collect();
        self.assigned(targets, &assign.right, at)
    }

    fn combined(&mut self, assign: &ast::AssignStmt, at: Pos) -> NodeId {
        let (Some(left), Some(right)) = (assign.left.first(), assign.right.first()) else {
            return self.add(Op::Branch, TypeId::UNKNOWN, at);
        };
        let to = self.expr(left);
        let op = match assign.op {
            Operator::AddAssign => "+",
            Operator::SubAssign => "-",
            Operator::MulAssign => "*",
            Operator::QuoAssign => "/",
            Operator::RemAssign => "%",
            Operator::AndAssign => "&",
            Operator::OrAssign => "|",
            Operator::XorAssign => "^",
            Operator::ShlAssign => "<<",
            Operator::ShrAssign => ">>",
            _ => "&^",
        };
        let from = match op {
            "<<" | ">>" => self.expr(right),
            _ => self.converted(right, self.typ(to)),
        };
        self.add(Op::Combine { to, op, from, is_step: false }, TypeId::UNKNOWN, at)
    }

    fn assigned(&mut self, targets: Vec<Target>, values: &[Expression], at: Pos) -> NodeId {
        let declared: Vec<_> =
            targets.iter().filter_map(|target| Some((target.declares?, target.at))).collect();
        let wanted: Vec<_> =
            targets.iter().map(|target| target.to.map(|to| self.typ(to))).collect();
        let defines = !declared.is_empty();
        let op = if targets.len() == 1 && values.len() == 1 {
            let (to, value) = (targets[0].to, &values[0]);
            let from = match wanted[0] {
                Some(typ) => self.converted(value, typ),
                None => self.expr(value),
            };
            Op::Assign { to, from: Some(from), defines }
        } else {
            let from = match values {
                [one] if targets.len() > 1 => self.several(one, &wanted, at),
                values => values
                    .iter()
                    .zip(&wanted)
                    .map(|(value, typ)| match typ {
                        Some(typ) => self.converted(value, *typ),
                        None => self.expr(value),
                    })
                    .collect(),
            };
            let to: Vec<_> =
                targets.iter().map(|target| self.or_blank(target.to, target.at)).collect();
            Op::AssignList { to: to.into(), from: from.into(), kind: ListKind::Pairs, defines }
        };
        let id = self.add(op, TypeId::UNKNOWN, at);
        let mut init = Vec::new();
        for (var, place) in declared {
            self.program.var_mut(var).definition = Some(id);
            init.push(self.declaration(var, place));
        }
        self.before(id, init);
        id
    }

    fn returned(&mut self, returned: &ast::ReturnStmt, out: &mut Vec<NodeId>) {
        let at = self.pos(returned.pos);
        if self.returned_from_body(returned, at, out) {
            return;
        }
        let results = self.program.func(self.function).results.clone();
        let values = self.returned_values(returned, &results, at);
        out.push(self.add(Op::Return(values.into()), TypeId::UNKNOWN, at));
    }

    pub(super) fn returned_values(
        &mut self,
        returned: &ast::ReturnStmt,
        results: &[VarId],
        at: Pos,
    ) -> Vec<NodeId> {
        let wanted: Vec<_> = results.iter().map(|var| Some(self.program.var(*var).typ)).collect();
        match &returned.ret[..] {
            [one] if wanted.len() > 1 => self.several(one, &wanted, at),
            values => values
                .iter()
                .enumerate()
                .map(|(index, value)| {
                    let typ = wanted.get(index).copied().flatten();
                    self.converted(value, typ.unwrap_or(TypeId::UNKNOWN))
                })
                .collect(),
        }
    }

    fn conditional(&mut self, branch: &ast::IfStmt, out: &mut Vec<NodeId>) {
        let at = self.pos(branch.pos);
        let init = self.optional(branch.init.as_deref());
        let fixed = self.fixed(&branch.cond);
        let cond = self.expr(fixed.map_or(&branch.cond, |(_, decides)| decides));
        let fixed = fixed.map(|(value, _)| value);
        let then = match fixed {
            Some(false) => Vec::new(),
            _ => self.statements(&branch.body.list),
        };
        let otherwise = match fixed {
            Some(true) => Vec::new(),
            _ => self.optional(branch.else_.as_deref()),
        };
        if fixed.is_some() {
            // One branch is never taken, and not compiled.
            out.extend(init);
            if !matches!(self.program.node(cond).op, Op::Literal(_)) {
                let op = Op::Assign { to: None, from: Some(cond), defines: false };
                out.push(self.add(op, TypeId::UNKNOWN, at));
            }
            out.extend(then);
            out.extend(otherwise);
            return;
        }
        let op = Op::If { cond, then: then.into(), otherwise: otherwise.into() };
        let id = self.add(op, TypeId::UNKNOWN, at);
        self.before(id, init);
        out.push(id);
    }

    /// What a condition always is, if it is always the same, and the part that is evaluated for it.
    pub(super) fn fixed<'x>(&self, x: &'x Expression) -> Option<(bool, &'x Expression)> {
        if let Some(Value::Bool(value)) = self.checked.expr(x).and_then(|info| info.value.clone()) {
            return Some((value, x));
        }
        let Expression::Operation(operation) = super::bare(x) else { return None };
        let is_constant =
            |x: &Expression| self.checked.expr(x).is_some_and(|it| it.value.is_some());
        match (operation.op, &operation.y) {
            (Operator::Not, None) => self.fixed(&operation.x).map(|(value, _)| (!value, x)),
            (op @ (Operator::AndAnd | Operator::OrOr), Some(y)) => {
                // `false` decides an AND, `true` an OR.
                let decisive = op == Operator::OrOr;
                let left = self.fixed(&operation.x);
                if let Some((value, part)) = left
                    && value == decisive
                {
                    return Some((value, part));
                }
                let right = self.fixed(y);
                let is_told = left.is_some() || right.is_some_and(|(value, _)| value == decisive);
                let (value, part) = right.filter(|_| is_told)?;
                Some((value, if is_constant(&operation.x) { part } else { x }))
            }
            _ => None,
        }
    }

    fn select(&mut self, select: &ast::SelectStmt) -> NodeId {
        let at = self.pos(select.pos);
        let mut cases = Vec::new();
        for clause in &select.body.body {
            let list = self.optional(clause.comm.as_deref());
            let body = self.statements(&clause.body);
            cases.push(Case { list: list.into(), variable: None, body: body.into() });
        }
        self.add(Op::Select(Rc::from(cases)), TypeId::UNKNOWN, at)
    }
}

/// What is assigned to: nothing for `_`.
struct Target {
    to: Option<NodeId>,
    declares: Option<VarId>,
    at: Pos,
}
