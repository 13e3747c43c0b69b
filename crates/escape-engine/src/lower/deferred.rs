//! `go` and `defer`: the call becomes that of a closure without parameters, which holds its arguments.

use tophash_typecheck::ast;
use tophash_typecheck::{Type, TypeId};

use super::Lower;
use crate::ir::{ListKind, NodeId, Op, Pos, VarId};

impl Lower<'_> {
    pub(super) fn deferred(&mut self, call: &ast::Call, at: Pos, is_defer: bool) -> NodeId {
        let typ = self.call_info(call).map_or(TypeId::UNKNOWN, |info| info.result);
        let place = self.pos(call.pos.0);
        let inner = self.call(call, typ, place);
        // In the body of a loop over a function it outlives the body, as what `go` calls does.
        let is_own = is_defer && !self.is_in_loop_body();
        let statement = |call| if is_own { Op::Defer(call) } else { Op::Go(call) };
        let node = self.program.node(inner).clone();
        if let Op::Call { function, args, .. } = &node.op
            && args.is_empty()
            && self.has_no_results(*function)
        {
            return self.add(statement(inner), TypeId::UNKNOWN, at);
        }
        let wrapped = self.wrapped(inner, at, is_defer);
        self.add(statement(wrapped), TypeId::UNKNOWN, at)
    }

    fn has_no_results(&self, function: NodeId) -> bool {
        match &*self.types.under(self.typ(function)) {
            Type::Func(signature) => signature.params.is_empty() && signature.results.is_empty(),
            _ => false,
        }
    }

    fn wrapped(&mut self, call: NodeId, at: Pos, is_defer: bool) -> NodeId {
        let outer = self.function;
        let name = self.closure_name(if is_defer { "deferwrap" } else { "gowrap" });
        let wrapper = self.new_function(name, Some(outer));
        self.program.func_mut(wrapper).is_wrapper = true;

        let mut kept: Vec<(VarId, NodeId)> = Vec::new();
        let mut op = self.program.node(call).op.clone();
        match &mut op {
            Op::Call { function, args, .. } => {
                *function = self.kept(*function, wrapper, at, &mut kept);
                *args = args.iter().map(|x| self.kept(*x, wrapper, at, &mut kept)).collect();
            }
            Op::CallInterface { x, args, .. } => {
                *x = self.keep(*x, wrapper, at, &mut kept);
                *args = args.iter().map(|x| self.kept(*x, wrapper, at, &mut kept)).collect();
            }
            Op::Builtin { args, .. } | Op::Unresolved(args) => {
                *args = args.iter().map(|x| self.kept(*x, wrapper, at, &mut kept)).collect();
            }
            _ => {}
        }
        let init = self.program.node(call).init.to_vec();
        let node = self.program.node(call).clone();
        let inside = self.add(op, node.typ, node.at);
        self.program.func_mut(wrapper).body = Some([inside].into());
        self.program.func_mut(wrapper).captures = kept.iter().map(|(var, _)| *var).collect();

        let mut before = init;
        if !kept.is_empty() {
            for (var, _) in &kept {
                let place = self.program.var(*var).at;
                before.push(self.declaration(*var, place));
            }
            let to: Vec<_> = kept.iter().map(|(var, _)| self.name(*var, at)).collect();
            let from: Vec<_> = kept.iter().map(|(_, x)| *x).collect();
            let kind = ListKind::Pairs;
            let op = Op::AssignList { to: to.into(), from: from.into(), kind, defines: true };
            let statement = self.add(op, TypeId::UNKNOWN, at);
            for (var, _) in &kept {
                self.program.var_mut(*var).definition = Some(statement);
            }
            before.push(statement);
        }
        let typ = self.universe.intern(Type::Func(Default::default()));
        let closure = self.add(Op::Closure(wrapper), typ, at);
        let args = self.none();
        let call = self.add(Op::Call { function: closure, args, spread: false }, node.typ, at);
        self.before(call, before);
        call
    }

    /// An operand within the wrapper: what costs nothing to evaluate there stays, all else is kept in a
    /// variable that the wrapper captures.
    fn kept(
        &mut self,
        x: NodeId,
        wrapper: crate::ir::FuncId,
        at: Pos,
        kept: &mut Vec<(VarId, NodeId)>,
    ) -> NodeId {
        let node = self.program.node(x).clone();
        match node.op {
            Op::Literal(_) | Op::Nil | Op::MethodExpr { .. } | Op::New | Op::Function { .. } => x,
            Op::ConvertNop(inner)
                if self.types.is_uintptr(node.typ)
                    && self.types.is_unsafe_pointer(self.typ(inner)) =>
            {
                let inner = self.kept(inner, wrapper, at, kept);
                self.program.nodes[x.0 as usize].op = Op::ConvertNop(inner);
                x
            }
            Op::ArrayLit(list) => {
                let list = list.iter().map(|x| self.kept(*x, wrapper, at, kept)).collect();
                self.program.nodes[x.0 as usize].op = Op::ArrayLit(list);
                x
            }
            Op::StructLit(list) => {
                let list = list.iter().map(|x| self.kept(*x, wrapper, at, kept)).collect();
                self.program.nodes[x.0 as usize].op = Op::StructLit(list);
                x
            }
            Op::SliceLit { values, len } => {
                let values = values.iter().map(|x| self.kept(*x, wrapper, at, kept)).collect();
                self.program.nodes[x.0 as usize].op = Op::SliceLit { values, len };
                x
            }
            _ => self.keep(x, wrapper, at, kept),
        }
    }

    fn keep(
        &mut self,
        x: NodeId,
        _wrapper: crate::ir::FuncId,
        _at: Pos,
        kept: &mut Vec<(VarId, NodeId)>,
    ) -> NodeId {
        let place = self.at(x);
        let typ = self.typ(x);
        let var = self.temporary(typ, place);
        kept.push((var, x));
        self.add(Op::Name(var), typ, place)
    }
}
