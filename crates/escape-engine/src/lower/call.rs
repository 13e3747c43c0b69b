//! Calls, of functions and of what the language has.

use std::rc::Rc;

use tophash_typecheck::ast::{self, Expression};
use tophash_typecheck::{
    Builtin, CallInfo, CallKind, Mode, SelectionKind, Signature, Type, TypeId,
};

use super::Lower;
use crate::ir::{ListKind, NodeId, Op, Pos};

impl Lower<'_> {
    pub(super) fn call(&mut self, call: &ast::Call, typ: TypeId, at: Pos) -> NodeId {
        let Some(info) = self.call_info(call) else {
            return self.unknown_call(call, typ, at);
        };
        match info.kind {
            CallKind::Conversion(to) => {
                let Some(x) = call.args.first() else {
                    return self.unknown("a conversion", Vec::new(), typ, at);
                };
                let id = self.explicit_conversion(x, to);
                self.spell(id, &call.func);
                id
            }
            CallKind::Builtin(which) => self.builtin(call, which, typ, at),
            CallKind::Method(_) | CallKind::InterfaceMethod => self.method_call(call, &info, at),
            CallKind::Unknown => self.unknown_call(call, typ, at),
            _ => {
                let function = self.expr(&call.func);
                let (function, before) = self.called_once(function, at);
                let (args, spread) = self.arguments(call, &info, at);
                let op = Op::Call { function, args: args.into(), spread };
                let id = self.add(op, info.result, at);
                self.before(id, before);
                id
            }
        }
    }

    /// What is called, or whose method is called: if that needs a call itself, it is kept in a variable.
    pub(super) fn called_once(&mut self, x: NodeId, at: Pos) -> (NodeId, Vec<NodeId>) {
        let mut has_call = false;
        self.program.visit(x, &mut |_, node| {
            has_call |= matches!(
                node.op,
                Op::Call { .. }
                    | Op::CallInterface { .. }
                    | Op::Builtin { .. }
                    | Op::MakeSlice { .. }
                    | Op::MakeMap(_)
                    | Op::MakeChan(_)
                    | Op::Receive(_)
            );
        });
        if !has_call {
            return (x, Vec::new());
        }
        let var = self.temporary(self.typ(x), at);
        let declared = self.declaration(var, at);
        let to = self.name(var, at);
        let op = Op::Assign { to: Some(to), from: Some(x), defines: false };
        let statement = self.add(op, TypeId::UNKNOWN, at);
        (self.name(var, at), vec![declared, statement])
    }

    fn unknown_call(&mut self, call: &ast::Call, typ: TypeId, at: Pos) -> NodeId {
        let mut parts = Vec::new();
        // A method's receiver may flow anywhere as well.
        match super::bare(&call.func) {
            Expression::Selector(selector)
                if self.checked.use_of(&selector.sel).is_none()
                    && self.type_of(&selector.x) != TypeId::UNKNOWN =>
            {
                parts.push(self.expr(&selector.x));
            }
            Expression::FuncLit(_) => parts.push(self.expr(&call.func)),
            _ => {}
        }
        for arg in &call.args {
            if self.checked.expr(arg).is_none_or(|info| info.mode != Mode::Type) {
                parts.push(self.expr(arg));
            }
        }
        self.unknown("a call", parts, typ, at)
    }

    fn method_call(&mut self, call: &ast::Call, info: &CallInfo, at: Pos) -> NodeId {
        let Expression::Selector(selector) = method_selector(&call.func) else {
            return self.unknown_call(call, info.result, at);
        };
        let Some(selection) = self.selection_of(selector) else {
            return self.unknown_call(call, info.result, at);
        };
        let dot = self.pos(selector.pos);
        let x = self.expr(&selector.x);
        let x = self.follow(x, &selection.path, dot);
        let name: Rc<str> = selector.sel.name.as_str().into();
        match selection.kind {
            SelectionKind::Method { method, adjust, .. } => {
                let receiver = self.adjusted(x, adjust, dot);
                let typ = self.typ(receiver);
                let args = self.receiver_arguments(typ);
                let callee = Some(self.callee(method, &args));
                let function = Op::MethodExpr { receiver: typ, name, callee };
                let function = self.add(function, info.signature, dot);
                let (mut args, spread) = self.arguments(call, info, at);
                args.insert(0, receiver);
                self.add(Op::Call { function, args: args.into(), spread }, info.result, at)
            }
            SelectionKind::InterfaceMethod => {
                let (x, before) = self.called_once(x, at);
                let (args, spread) = self.arguments(call, info, at);
                let args = args.into();
                let op = Op::CallInterface { x, name, args, spread };
                let id = self.add(op, info.result, at);
                self.before(id, before);
                id
            }
            _ => self.unknown_call(call, info.result, at),
        }
    }

    /// Arguments as the callee takes them, and whether the last is the whole of a variadic one.
    fn arguments(&mut self, call: &ast::Call, info: &CallInfo, at: Pos) -> (Vec<NodeId>, bool) {
        let signature = match &*self.types.under(info.signature) {
            Type::Func(signature) => signature.clone(),
            _ => Signature::default(),
        };
        // `T.f(x, y)` has the receiver among its arguments, and in its signature.
        let param = |index: usize| {
            let last = signature.params.len().saturating_sub(1);
            if signature.is_variadic && call.dots.is_none() && index >= last {
                let slice = signature.params.get(last).map(|param| param.typ);
                return slice.and_then(|slice| self.types.elem(slice));
            }
            signature.params.get(index).map(|param| param.typ)
        };
        let mut args = match &call.args[..] {
            [one] if self.is_tuple(one) => {
                let count = self.tuple_types(one).len();
                let wanted: Vec<_> = (0..count).map(param).collect();
                self.several(one, &wanted, at)
            }
            several => {
                let wanted: Vec<_> = (0..several.len()).map(param).collect();
                several
                    .iter()
                    .zip(wanted)
                    .map(|(arg, typ)| self.converted(arg, typ.unwrap_or(TypeId::UNKNOWN)))
                    .collect()
            }
        };
        if !signature.is_variadic || call.dots.is_some() {
            return (args, call.dots.is_some());
        }
        let fixed = signature.params.len().saturating_sub(1);
        let rest = args.split_off(fixed.min(args.len()));
        let slice = signature.params.last().map_or(TypeId::UNKNOWN, |param| param.typ);
        let rest = match rest.len() {
            0 => self.add(Op::Nil, slice, at),
            len => {
                let op = Op::SliceLit { values: rest.into(), len: len as u64 };
                self.implicit(op, slice, at)
            }
        };
        args.push(rest);
        (args, true)
    }

    pub(super) fn is_tuple(&self, x: &Expression) -> bool {
        matches!(&*self.universe.get(self.type_of(super::bare(x))), Type::Tuple(types) if types.len() > 1)
    }

    pub(super) fn tuple_types(&self, x: &Expression) -> Vec<TypeId> {
        match &*self.universe.get(self.type_of(super::bare(x))) {
            Type::Tuple(types) => types.to_vec(),
            _ => Vec::new(),
        }
    }

    /// An expression of several values, each kept in a variable: `f()`, and where two are asked for `m[k]`,
    /// `<-c` and `x.(T)`.
    pub(super) fn several(
        &mut self,
        x: &Expression,
        wanted: &[Option<TypeId>],
        at: Pos,
    ) -> Vec<NodeId> {
        let x = super::bare(x);
        let inner = self.expr(x);
        let (types, kind) = match x {
            Expression::Call(_) => (self.tuple_types(x), None),
            Expression::Index(_) => (self.with_ok(inner), Some(ListKind::MapRead)),
            Expression::TypeAssert(_) => (self.with_ok(inner), Some(ListKind::Assertion)),
            _ => (self.with_ok(inner), Some(ListKind::Receive)),
        };
        let count = wanted.len().max(types.len());
        let temporaries: Vec<_> = (0..count)
            .map(|index| {
                let typ = types.get(index).copied().unwrap_or(TypeId::UNKNOWN);
                self.temporary(typ, at)
            })
            .collect();
        let declared: Vec<_> = temporaries.iter().map(|var| self.declaration(*var, at)).collect();
        let to: Vec<_> = temporaries.iter().map(|var| self.name(*var, at)).collect();
        let op = match kind {
            None => Op::AssignCall { to: to.into(), call: inner, defines: true },
            Some(kind) => {
                Op::AssignList { to: to.into(), from: [inner].into(), kind, defines: true }
            }
        };
        let statement = self.add(op, TypeId::UNKNOWN, at);
        self.before(statement, declared);
        for var in &temporaries {
            self.program.var_mut(*var).definition = Some(statement);
        }
        let mut values = Vec::new();
        for (index, var) in temporaries.iter().enumerate() {
            let value = self.name(*var, at);
            if index == 0 {
                self.before(value, vec![statement]);
            }
            values.push(match wanted.get(index).copied().flatten() {
                Some(typ) => self.implicit_conversion(value, typ, at),
                None => value,
            });
        }
        values
    }

    fn with_ok(&self, x: NodeId) -> Vec<TypeId> {
        vec![self.typ(x), tophash_typecheck::Basic::Bool.id()]
    }

    fn builtin(&mut self, call: &ast::Call, which: Builtin, typ: TypeId, at: Pos) -> NodeId {
        let args = &call.args;
        match (which, &args[..]) {
            (Builtin::New, [x]) => self.new_object(x, typ, at),
            (Builtin::Make, [x, rest @ ..]) => self.make(x, rest, typ, at),
            (Builtin::Append, [first, rest @ ..]) => {
                let mut list = vec![self.expr(first)];
                let slice = match self.typ(list[0]) {
                    nil if self.types.elem(nil).is_none() => typ,
                    slice => slice,
                };
                let elem = self.types.elem(slice).unwrap_or(TypeId::UNKNOWN);
                for arg in rest {
                    list.push(match call.dots {
                        Some(_) => self.expr(arg),
                        None => self.converted(arg, elem),
                    });
                }
                let spread = call.dots.is_some();
                self.add(Op::Builtin { which, args: list.into(), spread }, typ, at)
            }
            (Builtin::Delete, [map, key]) => {
                let map = self.expr(map);
                let wanted = match &*self.types.under(self.typ(map)) {
                    Type::Map { key, .. } => *key,
                    _ => TypeId::UNKNOWN,
                };
                let key = self.converted(key, wanted);
                let args = [map, key].into();
                self.add(Op::Builtin { which, args, spread: false }, typ, at)
            }
            (Builtin::Panic, [x]) => {
                let any = self.universe.any_type();
                let args = [self.converted(x, any)].into();
                self.add(Op::Builtin { which, args, spread: false }, typ, at)
            }
            (_, [one]) if self.is_tuple(one) => {
                let wanted = vec![None; self.tuple_types(one).len()];
                let args = self.several(one, &wanted, at).into();
                self.add(Op::Builtin { which, args, spread: false }, typ, at)
            }
            _ => {
                let is_value = |x: &&Expression| {
                    self.checked.expr(x).is_none_or(|info| info.mode != Mode::Type)
                };
                let values: Vec<&Expression> = args.iter().filter(is_value).collect();
                let args: Vec<_> = values.into_iter().map(|arg| self.expr(arg)).collect();
                self.add(Op::Builtin { which, args: args.into(), spread: false }, typ, at)
            }
        }
    }

    fn new_object(&mut self, x: &Expression, typ: TypeId, at: Pos) -> NodeId {
        if self.checked.expr(x).is_none_or(|info| info.mode == Mode::Type) {
            let id = self.add(Op::New, typ, at);
            self.spell(id, x);
            return id;
        }
        // From 1.26 on, `new(x)` is the address of a copy.
        let value = self.expr(x);
        let var = self.temporary(self.typ(value), at);
        let declared = self.declaration(var, at);
        let to = self.name(var, at);
        let op = Op::Assign { to: Some(to), from: Some(value), defines: true };
        let statement = self.add(op, TypeId::UNKNOWN, at);
        self.program.var_mut(var).definition = Some(statement);
        let name = self.name(var, at);
        let address = self.address(name, at, false);
        self.before(address, vec![declared, statement]);
        address
    }

    fn make(&mut self, x: &Expression, sizes: &[Expression], typ: TypeId, at: Pos) -> NodeId {
        let sizes: Vec<_> = sizes.iter().map(|size| self.expr(size)).collect();
        let first = sizes.first().copied();
        let op = match &*self.types.under(typ) {
            Type::Slice(_) => match first {
                Some(len) => Op::MakeSlice { len, cap: sizes.get(1).copied() },
                None => return self.unknown("a make", Vec::new(), typ, at),
            },
            Type::Map { .. } => Op::MakeMap(first),
            Type::Chan { .. } => Op::MakeChan(first),
            _ => return self.unknown("the type of a make", sizes, typ, at),
        };
        let id = self.add(op, typ, at);
        self.spell(id, x);
        id
    }
}

/// The selector of a method call, also of one with type arguments.
fn method_selector(x: &Expression) -> &Expression {
    match super::bare(x) {
        Expression::Index(index) => method_selector(&index.left),
        Expression::IndexList(index) => method_selector(&index.left),
        x => x,
    }
}
