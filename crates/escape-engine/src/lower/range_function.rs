//! Loops over functions: the body becomes a function literal, which is passed to the one that is ranged over.
//!
//! A variable tells whether the body may still be called; it is the literal's as well as the loop's. What the
//! body returns is assigned to the results of the function around it, which get names for that. How else the
//! body leaves the loop moves no pointers, and is left out.
//!
//! The rewriting is that of `cmd/compile/internal/rangefunc`.

use std::rc::Rc;

use tophash_typecheck::ast::{self, Expression};
use tophash_typecheck::{Basic, Type, TypeId};

use super::Lower;
use crate::ir::{Class, FuncId, ListKind, Literal, NodeId, Op, Param, Pos, VarId};

/// A loop's body that is a function now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body {
    /// The function that it became.
    function: FuncId,
    /// The function that `return` in it leaves.
    outer: FuncId,
    state: VarId,
}

impl Lower<'_> {
    /// The function that a variable belongs to which the source declares in `declared`.
    pub(super) fn owner(&self, declared: FuncId) -> FuncId {
        let innermost = self.bodies_of_loops.iter().rev().find(|body| body.outer == declared);
        innermost.map_or(declared, |body| body.function)
    }

    /// The loop whose body is being lowered, unless a literal in it is.
    fn current_body(&self) -> Option<Body> {
        self.bodies_of_loops.last().copied().filter(|body| body.function == self.function)
    }

    /// Whether statements stand in the body of a loop over a function.
    pub(super) fn is_in_loop_body(&self) -> bool {
        self.current_body().is_some()
    }

    pub(super) fn range_over_function(
        &mut self,
        range: &ast::RangeStmt,
        defines: bool,
        at: Pos,
        out: &mut Vec<NodeId>,
    ) {
        let x = self.expr(&range.expr);
        let body_type = match &*self.types.under(self.typ(x)) {
            Type::Func(signature) => signature.params.first().map(|param| param.typ),
            _ => None,
        };
        let body_type = body_type.unwrap_or(TypeId::UNKNOWN);
        let params: Vec<TypeId> = match &*self.types.under(body_type) {
            Type::Func(signature) => signature.params.iter().map(|param| param.typ).collect(),
            _ => Vec::new(),
        };
        let stands_in = self.function;
        let outer = self.current_body().map_or(stands_in, |body| body.outer);
        let count = self.states.entry(outer).or_default();
        *count += 1;
        let name = format!("#state{count}");
        let state = self.variable(name.into(), Basic::Int.id(), at, stands_in);
        let declared = self.declaration(state, at);
        let first = self.set_state(state, at);
        self.before(first, vec![declared]);
        self.program.var_mut(state).definition = Some(first);
        out.push(first);

        let name = self.closure_name("range");
        let function = self.new_function(name, Some(stands_in));
        self.bodies_of_loops.push(Body { function, outer, state });
        self.function = function;
        let mut body = vec![self.set_state(state, at)];
        let targets = [range.key.as_ref(), range.value.as_ref()];
        for (index, typ) in params.iter().enumerate() {
            let target = targets.get(index).copied().flatten().map(super::bare);
            self.body_param(index, *typ, target.filter(|_| defines), at);
            if let Some(target) = target.filter(|_| !defines)
                && let Some(Some(from)) =
                    self.program.func(function).params.get(index).map(|param| param.variable)
                && !matches!(target, Expression::Ident(name) if name.name == "_")
            {
                let place = self.place(target);
                let to = self.expr(target);
                let value = self.name(from, place);
                let value = self.implicit_conversion(value, self.typ(to), place);
                let op = Op::Assign { to: Some(to), from: Some(value), defines: false };
                body.push(self.add(op, TypeId::UNKNOWN, place));
            }
        }
        let result = self.variable("#r".into(), Basic::Bool.id(), at, function);
        self.program.var_mut(result).class = Class::Result(1);
        self.program.func_mut(function).results.push(result);
        body.extend(self.statements(&range.body.list));
        let end = self.pos(range.body.pos.1);
        body.push(self.set_state(state, end));
        body.push(self.leave("true", end));
        self.program.func_mut(function).body = Some(body.into());
        self.function = stands_in;
        self.bodies_of_loops.pop();

        let closure = self.add(Op::Closure(function), body_type, at);
        let (x, before) = self.called_once(x, at);
        let op = Op::Call { function: x, args: [closure].into(), spread: false };
        let none = self.universe.tuple(&[]);
        let call = self.add(op, none, at);
        self.before(call, before);
        out.push(call);
        out.push(self.set_state(state, end));
    }

    fn body_param(&mut self, index: usize, typ: TypeId, target: Option<&Expression>, at: Pos) {
        let function = self.function;
        let (name, at, object): (Rc<str>, _, _) = match target {
            Some(Expression::Ident(name)) => {
                (name.name.as_str().into(), self.pos(name.pos), self.checked.definition(name))
            }
            _ => (format!("#p{}", index + 1).into(), at, None),
        };
        let mut variable = None;
        if &*name != "_" {
            let var = self.variable(Rc::clone(&name), typ, at, function);
            self.program.var_mut(var).class = Class::Param;
            if let Some(object) = object {
                self.variables.insert(object, var);
            }
            variable = Some(var);
        }
        let param = Param { variable, name, at, typ, is_variadic: false };
        self.program.func_mut(function).params.push(param);
    }

    fn set_state(&mut self, state: VarId, at: Pos) -> NodeId {
        let to = self.name(state, at);
        let zero = Literal { text: "0".into(), raw: "0".into(), int: Some(0), length: None };
        let from = self.add(Op::Literal(zero), Basic::Int.id(), at);
        let op = Op::Assign { to: Some(to), from: Some(from), defines: false };
        self.add(op, TypeId::UNKNOWN, at)
    }

    fn leave(&mut self, value: &str, at: Pos) -> NodeId {
        let literal = Literal { text: value.into(), raw: value.into(), int: None, length: None };
        let value = self.add(Op::Literal(literal), Basic::Bool.id(), at);
        self.add(Op::Return([value].into()), TypeId::UNKNOWN, at)
    }

    /// A `return` in such a body: results are assigned, and the body returns.
    pub(super) fn returned_from_body(
        &mut self,
        returned: &ast::ReturnStmt,
        at: Pos,
        out: &mut Vec<NodeId>,
    ) -> bool {
        let Some(body) = self.current_body() else { return false };
        let results = self.program.func(body.outer).results.clone();
        if !returned.ret.is_empty() {
            for (var, index) in results.iter().zip(1..) {
                let result = self.program.var_mut(*var);
                if result.name.starts_with('~') {
                    result.name = format!("#rv{index}").into();
                }
            }
            let values = self.returned_values(returned, &results, at);
            let to: Vec<_> = results.iter().map(|var| self.name(*var, at)).collect();
            let op = match (&to[..], &values[..]) {
                ([to], [from]) => Op::Assign { to: Some(*to), from: Some(*from), defines: false },
                _ => Op::AssignList {
                    to: to.into(),
                    from: values.into(),
                    kind: ListKind::Pairs,
                    defines: false,
                },
            };
            out.push(self.add(op, TypeId::UNKNOWN, at));
        }
        out.push(self.set_state(body.state, at));
        out.push(self.leave("false", at));
        true
    }
}
