//! Calls of interface methods whose receiver is known to have one type.
//!
//! Up to Go 1.25 the receiver must be a conversion, or a variable that is set once, to one. From 1.26 on it may
//! be a variable of the function whose every assignment has the same type. The call then becomes one of the
//! type's own method, on the value that is asserted to have the type. What `go` and `defer` call is left alone.
//!
//! The rules are those of `cmd/compile/internal/devirtualize`.

use std::rc::Rc;

use hashbrown::{HashMap, HashSet};
use tophash_typecheck::{FoundKind, PackageId, Step, Type, TypeId, Universe};

use crate::ir::{Callee, Class, FuncId, ListKind, Node, NodeId, Op, Pos, Program, VarId};
use crate::print::Printer;
use crate::statics::Statics;
use crate::types::Types;
use crate::version::Rules;

/// Rewrites the calls of a program, and returns what is said of each.
pub(crate) fn devirtualize(
    program: &mut Program,
    universe: &Universe,
    types: &Types<'_>,
    rules: &Rules,
    package: PackageId,
    callee: &dyn Fn(tophash_typecheck::ObjectId) -> Callee,
) -> Vec<(Pos, String)> {
    let mut pass = Pass { program, universe, types, rules, package, callee, said: Vec::new() };
    pass.run();
    pass.said
}

/// What is assigned to an interface variable.
#[derive(Debug, Clone, Copy)]
enum Assigned {
    Value(NodeId),
    Type(TypeId),
    Unknown,
}

/// What is known of an interface value's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It is never anything but nil.
    Nothing,
    Type(TypeId),
    Unknown,
}

type Assignments = HashMap<VarId, Vec<Assigned>>;

struct Pass<'p> {
    program: &'p mut Program,
    universe: &'p Universe,
    types: &'p Types<'p>,
    rules: &'p Rules,
    package: PackageId,
    callee: &'p dyn Fn(tophash_typecheck::ObjectId) -> Callee,
    said: Vec<(Pos, String)>,
}

impl Pass<'_> {
    fn run(&mut self) {
        for function in self.program.func_ids() {
            if self.program.func(function).parent.is_some() {
                continue;
            }
            let mut calls = Vec::new();
            let mut wrapped = HashSet::new();
            for id in self.program.func_ids() {
                if self.program.func(id).is_wrapper
                    && let Some(body) = &self.program.func(id).body
                {
                    wrapped.extend(body.iter().copied());
                }
            }
            self.program.visit_deep(function, &mut |id, node| {
                let is_call = matches!(node.op, Op::CallInterface { .. });
                if is_call && !wrapped.contains(&id) {
                    calls.push(id);
                }
            });
            if calls.is_empty() {
                continue;
            }
            let statics = Statics::of(self.program, function);
            let assignments = match self.rules.follows_interfaces {
                true => self.assignments(function),
                false => Assignments::new(),
            };
            for call in calls {
                self.call(call, &statics, &assignments);
            }
        }
    }

    fn call(&mut self, call: NodeId, statics: &Statics, assignments: &Assignments) {
        let node = self.program.node(call).clone();
        let Op::CallInterface { x, name, args, spread } = node.op else { return };
        // A value of a type parameter, whose method the type arguments' dictionary has.
        if !self.types.is_interface(self.program.node(x).typ) {
            return;
        }
        let typ = if self.rules.follows_interfaces {
            match self.known(x, assignments, &mut HashSet::new()) {
                Known::Type(typ) => typ,
                _ => return,
            }
        } else {
            let value = statics.value(self.program, x);
            let Op::ConvertIface(inner) = self.program.node(value).op else { return };
            self.program.node(inner).typ
        };
        if typ.is_unknown() || self.types.is_interface(typ) || self.is_generic(typ) {
            return;
        }
        let Some(found) = self.universe.lookup(typ, self.package, &name) else { return };
        let asserted = self.add(Op::Assert(x), typ, node.at);
        let holder = self.follow(asserted, &found.path, node.at);
        let what = format!("{}.{name}", self.printer().expr(x));
        let shown = self.printer().typ(typ);
        match found.kind {
            FoundKind::Method { method, pointer_receiver } => {
                let holder_type = self.program.node(holder).typ;
                let is_pointer = matches!(&*self.types.under(holder_type), Type::Pointer(_));
                let receiver = match (is_pointer, pointer_receiver) {
                    (true, false) => {
                        let elem = self.types.elem(holder_type).unwrap_or(TypeId::UNKNOWN);
                        self.implicit(Op::Deref(holder), elem, node.at)
                    }
                    (false, true) => {
                        let pointer = self.universe.pointer_to(holder_type);
                        self.implicit(Op::Addr(holder), pointer, node.at)
                    }
                    _ => holder,
                };
                let receiver_type = self.program.node(receiver).typ;
                let callee = Some((self.callee)(method));
                let op = Op::MethodExpr { receiver: receiver_type, name, callee };
                let function = self.add(op, found.typ, node.at);
                let args: Vec<_> = std::iter::once(receiver).chain(args.iter().copied()).collect();
                self.set(call, Op::Call { function, args: args.into(), spread });
                self.said.push((node.at, format!("devirtualizing {what} to {shown}")));
            }
            FoundKind::InterfaceMethod => {
                self.set(call, Op::CallInterface { x: holder, name, args, spread });
                self.said.push((node.at, format!("partially devirtualizing {what} to {shown}")));
            }
            FoundKind::Field => {}
        }
    }

    fn is_generic(&self, typ: TypeId) -> bool {
        match &*self.universe.get(typ) {
            Type::TypeParam(_) => true,
            Type::Named { args, .. } => !args.is_empty(),
            Type::Pointer(elem) => self.is_generic(*elem),
            _ => false,
        }
    }

    /// The one type that a value of an interface type can have.
    fn known(&self, id: NodeId, assignments: &Assignments, seen: &mut HashSet<VarId>) -> Known {
        let mut id = id;
        loop {
            let node = self.program.node(id);
            if !self.types.is_interface(node.typ) {
                return if node.typ.is_unknown() { Known::Unknown } else { Known::Type(node.typ) };
            }
            match node.op {
                Op::ConvertNop(x) | Op::ConvertIface(x) | Op::Assert(x) => id = x,
                _ => break,
            }
        }
        let Op::Name(var) = self.program.node(id).op else { return Known::Unknown };
        let variable = self.program.var(var);
        if variable.class != Class::Local || variable.is_addressed {
            return Known::Unknown;
        }
        if !seen.insert(var) {
            return Known::Nothing;
        }
        let mut one = Known::Nothing;
        for assigned in assignments.get(&var).map(Vec::as_slice).unwrap_or_default() {
            let typ = match assigned {
                Assigned::Value(value) => self.known(*value, assignments, seen),
                Assigned::Type(typ) => Known::Type(*typ),
                Assigned::Unknown => Known::Unknown,
            };
            match (one, typ) {
                (_, Known::Nothing) => {}
                (_, Known::Unknown) => return Known::Unknown,
                (Known::Type(before), Known::Type(now)) if before != now => return Known::Unknown,
                _ => one = typ,
            }
        }
        one
    }

    /// All assignments to interface variables of a function and its closures.
    fn assignments(&self, function: FuncId) -> Assignments {
        let mut all = Assignments::new();
        let mut assign = |to: NodeId, value: Assigned| {
            let Op::Name(var) = self.program.node(to).op else { return };
            if !self.types.is_interface(self.program.var(var).typ) {
                return;
            }
            let value = match value {
                Assigned::Type(typ) if typ.is_unknown() || self.types.is_interface(typ) => {
                    Assigned::Unknown
                }
                Assigned::Value(value) if matches!(self.program.node(value).op, Op::Nil) => return,
                value => value,
            };
            all.entry(var).or_default().push(value);
        };
        self.program.visit_deep(function, &mut |_, node| match &node.op {
            Op::Assign { to: Some(to), from: Some(from), .. } => {
                assign(*to, self.assigned(*from));
            }
            Op::AssignList { to, from, kind: ListKind::Pairs, .. } => {
                for (to, from) in to.iter().zip(from.iter()) {
                    assign(*to, self.assigned(*from));
                }
            }
            Op::AssignList { to, from, .. } => {
                for (index, to) in to.iter().enumerate() {
                    let typ = from.first().map(|from| self.program.node(*from).typ);
                    let typ = typ.filter(|_| index == 0).unwrap_or(TypeId::UNKNOWN);
                    assign(*to, Assigned::Type(typ));
                }
            }
            Op::AssignCall { to, call, .. } => {
                let types = match &*self.universe.get(self.program.node(*call).typ) {
                    Type::Tuple(types) => types.to_vec(),
                    _ => Vec::new(),
                };
                for (index, to) in to.iter().enumerate() {
                    let typ = types.get(index).copied().unwrap_or(TypeId::UNKNOWN);
                    assign(*to, Assigned::Type(typ));
                }
            }
            Op::Range { key, value, x, .. } => {
                let (first, second) = self.universe.range_types(self.program.node(*x).typ);
                for (to, typ) in [(key, first), (value, second)] {
                    if let Some(to) = to {
                        assign(*to, Assigned::Type(typ.unwrap_or(TypeId::UNKNOWN)));
                    }
                }
            }
            _ => {}
        });
        // A type switch's variable has the value that is switched over.
        self.program.visit_deep(function, &mut |_, node| {
            if let Op::TypeSwitch { x, cases, .. } = &node.op {
                for case in cases.iter() {
                    if let Some(var) = case.variable
                        && self.types.is_interface(self.program.var(var).typ)
                    {
                        all.entry(var).or_default().push(Assigned::Value(*x));
                    }
                }
            }
        });
        all
    }

    fn assigned(&self, from: NodeId) -> Assigned {
        match self.program.node(from).op {
            Op::Call { .. } | Op::CallInterface { .. } => {
                Assigned::Type(self.program.node(from).typ)
            }
            _ => Assigned::Value(from),
        }
    }

    fn printer(&self) -> Printer<'_> {
        Printer { program: self.program, universe: self.universe, package: self.package }
    }

    fn follow(&mut self, mut x: NodeId, path: &[Step], at: Pos) -> NodeId {
        for step in path {
            let mut holder = self.program.node(x).typ;
            if step.through_pointer {
                holder = self.types.elem(holder).unwrap_or(TypeId::UNKNOWN);
            }
            let name = match &*self.types.under(holder) {
                Type::Struct(fields) => fields.get(step.field as usize).map(|f| Rc::clone(&f.name)),
                _ => None,
            };
            let name = name.unwrap_or_else(|| "?".into());
            let op = match step.through_pointer {
                true => Op::DotPtr(x, name),
                false => Op::Dot(x, name),
            };
            x = self.add(op, step.typ, at);
        }
        x
    }

    fn add(&mut self, op: Op, typ: TypeId, at: Pos) -> NodeId {
        let id = NodeId(u32::try_from(self.program.nodes.len()).unwrap_or(u32::MAX));
        let init = Rc::from([]);
        self.program.nodes.push(Node { op, typ, at, is_implicit: false, init, spelled: None });
        id
    }

    fn implicit(&mut self, op: Op, typ: TypeId, at: Pos) -> NodeId {
        let id = self.add(op, typ, at);
        self.program.nodes[id.0 as usize].is_implicit = true;
        id
    }

    fn set(&mut self, id: NodeId, op: Op) {
        self.program.nodes[id.0 as usize].op = op;
    }
}
