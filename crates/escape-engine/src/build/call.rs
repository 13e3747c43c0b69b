//! Calls.

use std::rc::Rc;

use tophash_typecheck::Builtin;

use crate::graph::{BLANK, Holds, Hole};
use crate::ir::{Callee, NodeId, Op, Pragmas};
use crate::leaks::Leaks;
use crate::statics::Statics;

use super::Builder;

/// Whether a function is the one that forces what it gets to the heap, but for strings, whose contents are
/// copied: for what hashes or interns values.
pub(crate) fn escapes_but_strings(name: &str) -> bool {
    matches!(name, "internal/abi.EscapeNonString" | "hash/maphash.escapeForHash")
}

impl Builder<'_> {
    /// Follows a call, whose results flow into holes: none if it stands as a statement.
    pub(super) fn call(&mut self, results: Option<&[Hole]>, id: NodeId) {
        let program = self.program();
        match &program.node(id).op {
            Op::Call { function, args, .. } => self.call_function(results, id, *function, args),
            Op::CallInterface { x, args, .. } => {
                let heap = self.heap();
                self.argument(heap, id, *x);
                for &arg in args.iter() {
                    self.argument(heap, id, arg);
                }
            }
            Op::Builtin { which, args, spread } => self.builtin(results, id, *which, args, *spread),
            // A conversion, or what could not be resolved, in the place of a call.
            _ => {
                let hole = results.and_then(|results| results.first().copied());
                let hole = hole.unwrap_or_else(|| self.discarded());
                self.expr_after_init(hole, id);
            }
        }
    }

    fn argument(&mut self, hole: Hole, call: NodeId, arg: NodeId) {
        let hole = self.note(hole, call, "call parameter");
        self.expr(hole, arg);
    }

    fn call_function(
        &mut self,
        results: Option<&[Hole]>,
        id: NodeId,
        function: NodeId,
        args: &[NodeId],
    ) {
        let callees = self.callees(function);
        if let Some(holes) = results {
            for callee in &callees {
                let Callee::Local(local) = callee else { continue };
                if !self.is_in_batch(*local) {
                    continue;
                }
                let vars = self.program().func(*local).results.clone();
                for (hole, var) in holes.iter().zip(vars) {
                    let mut hole = *hole;
                    let typ = self.program().var(var).typ;
                    if hole.derefs >= 0 && !self.types().has_pointers(typ) {
                        hole.to = BLANK;
                    }
                    let location = self.location(var);
                    self.graph.flow(hole, location);
                }
            }
        }
        let mut hole = self.discarded();
        if callees.is_empty() && results.unwrap_or_default().iter().any(|hole| hole.to != BLANK) {
            // If a closure is called here, nobody knows where its results go.
            let callee = self.callee();
            hole = self.note(callee, id, "callee operand");
        }
        self.expr(hole, function);
        if let [Callee::Imported(name)] = &callees[..]
            && escapes_but_strings(name)
        {
            for &arg in args {
                let typ = self.program().node(arg).typ;
                let escapes = self.types().has_pointers_but_strings(typ);
                let hole = if escapes { self.heap() } else { self.discarded() };
                self.argument(hole, id, arg);
            }
            return;
        }
        let pragmas = self.pragmas(&callees);
        for (index, &arg) in args.iter().enumerate() {
            if pragmas.uintptr_escapes || pragmas.uintptr_keepalive {
                self.keep_alive(arg, pragmas);
            }
            let holes: Vec<Hole> =
                callees.iter().map(|callee| self.param_hole(results, callee, index, arg)).collect();
            let hole = if holes.is_empty() { self.heap() } else { self.tee(&holes) };
            self.argument(hole, id, arg);
        }
    }

    /// Functions that an expression may stand for; none if that is not known.
    fn callees(&self, function: NodeId) -> Vec<Callee> {
        let program = self.program();
        let outer = super::statement::outermost(self, self.function);
        let Some(statics) = self.around.statics.get(&outer).cloned() else { return Vec::new() };
        let value = statics.value(program, function);
        if let Some(callee) = self.named(value) {
            return vec![callee];
        }
        match program.node(value).op {
            Op::Name(var) if self.around.rules.sees_assigned_callees => {
                self.assigned_callees(&statics, var).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    fn named(&self, id: NodeId) -> Option<Callee> {
        match &self.program().node(id).op {
            Op::Function { callee, .. } => Some(callee.clone()),
            Op::MethodExpr { callee, .. } => callee.clone(),
            Op::Closure(closure) => Some(Callee::Local(*closure)),
            _ => None,
        }
    }

    fn assigned_callees(
        &self,
        statics: &Rc<Statics>,
        var: crate::ir::VarId,
    ) -> Option<Vec<Callee>> {
        let mut callees = Vec::new();
        for &from in statics.assigned(self.program(), var)? {
            if matches!(self.program().node(from).op, Op::Nil) {
                continue;
            }
            let callee = self.named(from)?;
            let pragmas = self.pragmas(std::slice::from_ref(&callee));
            if pragmas.uintptr_escapes || pragmas.uintptr_keepalive {
                return None;
            }
            callees.push(callee);
        }
        Some(callees)
    }

    fn pragmas(&self, callees: &[Callee]) -> Pragmas {
        let mut all = Pragmas::default();
        for callee in callees {
            match callee {
                Callee::Local(id) => {
                    let function = self.program().func(*id);
                    all.uintptr_escapes |= function.pragmas.uintptr_escapes;
                    // What has no body is kept alive for.
                    all.uintptr_keepalive |=
                        function.pragmas.uintptr_keepalive || function.body.is_none();
                }
                Callee::Imported(name) => {
                    let is_syscall = name.starts_with("syscall.") && name.contains("yscall");
                    all.uintptr_keepalive |= is_syscall;
                }
            }
        }
        all
    }

    /// Keeps alive what a pointer points to that is passed as a number.
    fn keep_alive(&mut self, arg: NodeId, pragmas: Pragmas) {
        let program = self.program();
        let parts = match &program.node(arg).op {
            Op::SliceLit { values, .. } => values.to_vec(),
            _ => vec![arg],
        };
        for part in parts {
            let Op::ConvertNop(pointer) = program.node(part).op else { continue };
            let types = self.types();
            if !types.is_uintptr(program.node(part).typ)
                || !types.is_unsafe_pointer(program.node(pointer).typ)
            {
                continue;
            }
            let kept = self.temporary(true);
            let hole = if pragmas.uintptr_escapes { self.heap() } else { self.mutator() };
            let hole = self.note(hole, part, "//go:uintptrescapes");
            self.graph.flow(hole, kept);
            self.expr(Hole::of(kept), pointer);
        }
    }

    /// A hole for one argument of a known callee, counted from the receiver.
    pub(super) fn param_hole(
        &mut self,
        results: Option<&[Hole]>,
        callee: &Callee,
        index: usize,
        arg: NodeId,
    ) -> Hole {
        match callee {
            Callee::Local(id) if self.is_in_batch(*id) => {
                let param = self.program().func(*id).params.get(index);
                match param.map(|param| param.variable) {
                    Some(Some(var)) => Hole::of(self.location(var)),
                    Some(None) => self.discarded(),
                    None => self.heap(),
                }
            }
            Callee::Local(id) => {
                let leaks = self.around.done.get(id).and_then(|leaks| leaks.get(index));
                let leaks = leaks.copied().unwrap_or_else(Leaks::unknown);
                self.leaks_hole(results, leaks)
            }
            Callee::Imported(name) => match self.around.imports.leaks(name) {
                Some(leaks) => {
                    let leaks = leaks.get(index).copied().unwrap_or_else(Leaks::unknown);
                    self.leaks_hole(results, leaks)
                }
                None => {
                    let arg = self.program().node(arg);
                    if self.types().has_pointers(arg.typ) {
                        self.unknown_callees.push((arg.at, name.clone()));
                    }
                    self.heap()
                }
            },
        }
    }

    fn builtin(
        &mut self,
        results: Option<&[Hole]>,
        id: NodeId,
        which: Builtin,
        args: &[NodeId],
        spread: bool,
    ) {
        let program = self.program();
        let result = results.and_then(|results| results.first().copied());
        let result = result.unwrap_or_else(|| self.discarded());
        match (which, args) {
            (Builtin::Append, [first, rest @ ..]) => self.append(result, id, *first, rest, spread),
            (Builtin::Copy, [to, from]) => {
                let hole = self.mutator();
                self.argument(hole, id, *to);
                let typ = program.node(*from).typ;
                let holds_pointers = self.types().is_slice(typ)
                    && self.types().elem(typ).is_some_and(|elem| self.types().has_pointers(elem));
                let mut hole = self.discarded();
                if holds_pointers {
                    let heap = self.heap();
                    hole = self.deref(heap, id, "copied slice");
                }
                self.argument(hole, id, *from);
            }
            (Builtin::Panic, [x]) => {
                let heap = self.heap();
                self.argument(heap, id, *x);
            }
            (Builtin::Clear, [x]) => {
                let hole = self.mutator();
                self.argument(hole, id, *x);
            }
            (Builtin::Min | Builtin::Max, args) => {
                args.iter().for_each(|arg| self.argument(result, id, *arg));
            }
            (
                Builtin::UnsafeStringData
                | Builtin::UnsafeSliceData
                | Builtin::UnsafeAdd
                | Builtin::UnsafeSlice
                | Builtin::UnsafeString,
                [x, rest @ ..],
            ) => {
                self.argument(result, id, *x);
                rest.iter().for_each(|arg| self.discard(*arg));
            }
            (_, args) => args.iter().for_each(|arg| self.discard(*arg)),
        }
    }

    fn append(&mut self, result: Hole, id: NodeId, first: NodeId, rest: &[NodeId], spread: bool) {
        let program = self.program();
        let holds_pointers = |builder: &Self, typ| {
            builder.types().elem(typ).is_none_or(|elem| builder.types().has_pointers(elem))
        };
        let mutator = self.mutator();
        let mut hole = self.tee(&[result, mutator]);
        if holds_pointers(self, program.node(first).typ) {
            let heap = self.heap();
            let heap = self.deref(heap, id, "appendee slice");
            hole = self.tee(&[hole, heap]);
        }
        self.argument(hole, id, first);
        if spread {
            for &arg in rest {
                let typ = program.node(arg).typ;
                let mut hole = self.discarded();
                if self.types().is_slice(typ) && holds_pointers(self, typ) {
                    let heap = self.heap();
                    hole = self.deref(heap, id, "appended slice...");
                }
                self.argument(hole, id, arg);
            }
        } else {
            for &arg in rest {
                let heap = self.heap();
                self.argument(heap, id, arg);
            }
        }
        if self.around.rules.has_append_sites {
            let store = self.spill(result, id);
            if matches!(self.graph.at(store.to).holds, Holds::Node(_)) {
                // It is made once, however often the statement is run.
                self.graph.at_mut(store.to).loop_depth = 0;
            }
        }
    }
}
