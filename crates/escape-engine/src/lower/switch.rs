//! Switches.

use std::rc::Rc;

use tophash_typecheck::ast::{self, Expression, Statement};
use tophash_typecheck::{TypeId, Value};

use super::Lower;
use crate::ir::{Case, NodeId, Op};

impl Lower<'_> {
    pub(super) fn switch(&mut self, switch: &ast::SwitchStmt) -> NodeId {
        let at = self.pos(switch.pos);
        let init = self.optional(switch.init.as_deref());
        let clauses: Vec<&ast::CaseClause> = switch.block.body.iter().collect();
        let (clauses, has_cases) = match self.only_clause(switch) {
            Some(Some(only)) => (vec![only], false),
            Some(None) => (Vec::new(), false),
            None => (clauses, true),
        };
        let tag = switch.tag.as_ref().filter(|_| has_cases);
        let mut typ = tag.map_or(TypeId::UNKNOWN, |tag| self.type_of(super::bare(tag)));
        // Where a case is an interface and the tag is not, or the other way round, all are compared as `any`.
        let cases = clauses.iter().flat_map(|clause| &clause.list);
        let is_interface = self.types.is_interface(typ);
        let mixed = tag.is_some()
            && cases.clone().any(|case| {
                let case = self.type_of(super::bare(case));
                self.types.is_interface(case) && !is_interface
            });
        if mixed {
            typ = self.universe.any_type();
        }
        let tag = tag.map(|tag| self.converted(tag, typ));
        let mut out = Vec::new();
        for clause in clauses {
            let mut list = Vec::new();
            for case in clause.list.iter().filter(|_| has_cases) {
                list.push(match tag {
                    Some(_) => self.converted(case, typ),
                    None => self.expr(case),
                });
            }
            let body = self.statements(&clause.body);
            out.push(Case { list: list.into(), variable: None, body: body.into() });
        }
        let id = self.add(Op::Switch { tag, cases: Rc::from(out) }, TypeId::UNKNOWN, at);
        self.before(id, init);
        id
    }

    /// If all is constant, the one clause that is taken, or none at all.
    fn only_clause<'s>(&self, switch: &'s ast::SwitchStmt) -> Option<Option<&'s ast::CaseClause>> {
        let value =
            |x: &Expression| self.checked.expr(super::bare(x)).and_then(|info| info.value.clone());
        let tag = match &switch.tag {
            Some(tag) => value(tag)?,
            None => Value::Bool(true),
        };
        let mut target = None;
        'clauses: for clause in &switch.block.body {
            if clause.list.is_empty() {
                target = Some(clause);
            }
            for case in &clause.list {
                if value(case)? == tag {
                    target = Some(clause);
                    break 'clauses;
                }
            }
        }
        let falls = target.is_some_and(|clause| {
            matches!(clause.body.last(), Some(Statement::Branch(branch))
                if branch.key == tophash_typecheck::token::Keyword::FallThrough)
        });
        (!falls).then_some(target)
    }

    pub(super) fn type_switch(&mut self, switch: &ast::TypeSwitchStmt) -> NodeId {
        let at = self.pos(switch.pos);
        let init = self.optional(switch.init.as_deref());
        let (x, has_name) = match switch.tag.as_deref() {
            Some(Statement::Assign(assign)) => (assign.right.first(), true),
            Some(Statement::Expr(x)) => (Some(&x.expr), false),
            _ => (None, false),
        };
        let x = match x.map(super::bare) {
            Some(Expression::TypeAssert(assertion)) => self.expr(&assertion.left),
            _ => self.unknown("a type switch", Vec::new(), TypeId::UNKNOWN, at),
        };
        let mut cases = Vec::new();
        for clause in &switch.block.body {
            // Where the last type of the list is, as the compiler has it.
            let at = clause.list.last().map_or(clause.pos.0, |typ| super::offset(super::bare(typ)));
            let at = self.pos(at);
            let variable = self.checked.case_variable(clause).map(|object| self.local(object, at));
            let body = self.statements(&clause.body);
            let list = self.none();
            cases.push(Case { list, variable, body: body.into() });
        }
        let op = Op::TypeSwitch { x, has_name, cases: Rc::from(cases) };
        let id = self.add(op, TypeId::UNKNOWN, at);
        self.before(id, init);
        id
    }
}
